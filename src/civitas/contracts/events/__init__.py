"""Facts that one domain states and others may hear; one file a domain."""
