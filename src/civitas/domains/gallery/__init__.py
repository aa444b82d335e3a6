"""Pictures and the posts that hold them: uploading, decoding, variants, metadata, and the catalogue's previews.

It owns `posts` and `images`. Invariants: nothing is shown before it was decoded in the sandbox; an image's
level flows to its version and model through catalog.previews.
"""
