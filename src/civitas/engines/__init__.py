"""The compute side: what runs on a machine that works for a site. Never a database, never a domain."""
