"""An agent: it claims jobs from a site over HTTP, hands them to its engines, and brings back what they made.

`engine` is what an engine implements and what it is given. `loop` is the life of an agent, `client` the protocol,
`running` one job, `cache` the files that jobs need. An agent loses nothing when it ends: what it had claimed goes
back to the queue by itself once the lease is over.
"""
