"""Objects: bytes under our own keys, in a local folder or a bucket; uploads in parts, signed links, ranges.

`store.py` holds the Protocol, `opening.py` makes the store that the settings ask for.
"""
