"""Telling others: bodies and signatures of callbacks, sending in order, the log, secrets.

Invariants: of one chain (an address of a workflow) one event is on its way at a time, and the next goes out only when it
was answered with 2xx or given up after three days; a delivery is sent again only under its own `webhook-id`; nothing is
sent to a private address, whatever its name meant when it was registered; redirects are never followed.
"""
