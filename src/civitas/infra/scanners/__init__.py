"""The safety scan of untrusted files, in a process of its own with limits."""
