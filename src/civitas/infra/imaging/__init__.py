"""Pictures of strangers: judged, measured, described and re-encoded, never decoded in a serving process.

`port.py` is what the other rooms see (`Imaging`), `pillow.py` the real adapter, `fake.py` a fast one for tests,
`transforms.py` the words of image addresses (`width=450,anim=false`), `settings.py` the limits. Decoding happens in
`sandbox.py`, a child process with memory, processor and time limits that `pool.py` starts, feeds and kills.
"""
