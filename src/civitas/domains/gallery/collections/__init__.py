"""Collections: what people put together from models, pictures, posts and articles; bookmarks; contests.

It owns `collections` and the tables that hang on them. Invariants: a collection holds one kind of thing, each at
most once; its level is the bitwise or of what is accepted and public; nothing of a level that a viewer did not
ask for is listed, counted or shown as a cover.
"""
