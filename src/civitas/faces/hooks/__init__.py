"""Webhooks that come in: signature first, recorded as they came, answered at once."""
