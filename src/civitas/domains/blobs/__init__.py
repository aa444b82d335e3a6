"""Content-addressed bytes: uploads in parts, digests in one pass, references, removal of what nobody needs.

It owns `uploads`, `blobs` and `blob_references`. Invariants: equal bytes are one blob; a blob's bytes never
change; a blob that somebody refers to is never removed; an upload's bytes are kept only after every digest was
made and the uploader's own SHA-256, when given, agreed.
"""
