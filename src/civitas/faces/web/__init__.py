"""The pages: one URL, one handler, one template; a fragment is a named block of its page (DESIGN section 7)."""
