"""Buzz: the ledger and the economy on it, in rooms that read in this order.

`types` and `errors` are words that all of them use. `economy` has the rules and numbers; `ledger` moves Buzz and cash
by them, and proves it. `payments` hears what providers tell. On these stand `memberships`, `earning`, `buying`, and
last `programme` (creators are paid) and `shop` (cosmetics). Each may import those before it, never those after it.

It owns every table that begins with `buzz_`, and those of purchases, memberships, the creator programme and
cosmetics. Invariants of the ledger, kept by the database itself (`r0007_buzz_ledger.sql`): the postings of an entry
sum to zero in every currency; an account's balance and what awaits folding are the sum of its postings; no person's
account, escrow or pool goes below zero; an entry's key is used once; nothing posted is ever changed. Amounts of Buzz
are whole quarters, cash is in cents.
"""
