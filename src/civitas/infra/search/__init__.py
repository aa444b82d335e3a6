"""An index in memory: bitmaps of terms, orders of keys, pages of both. It knows nothing of what it finds.

`shape` says what a collection is made of. `postings`, `numbers`, `orders` and `collection` hold one and answer questions;
`copying` and `loading` fill it from a table, `following` keeps it true by the log of changes (`tables`); `serving` and
`asking` are the two ends of a socket. Decision 0015 says why it is there and what it may never be trusted with.
"""
