"""Paying people out: the port, Stripe Connect, and by hand."""
