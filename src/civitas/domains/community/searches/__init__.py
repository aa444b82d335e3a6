"""Searches that people keep under a name, and what is told of new matches. It owns `saved_searches` and `saved_search_hits`.

Invariants: what is found is what its person may see, asked of the same lists that pages show; a thing is told once for
each search while it is remembered; a look reads what is newer than the mark, never everything.
"""
