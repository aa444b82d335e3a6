"""ComfyUI servers as an engine: graphs that people bring, and pictures by a graph made here.

`graphs` and `filling` make the graph, `models` puts model files where the servers find them, `fleet` chooses a server,
`watching` follows it, `results` fetches what it made.
"""
