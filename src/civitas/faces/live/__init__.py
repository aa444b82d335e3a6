"""Server-sent events: what changes while somebody looks."""
