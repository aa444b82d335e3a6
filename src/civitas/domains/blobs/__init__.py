"""Content-addressed bytes: upload sessions, digests, references and signed links."""
