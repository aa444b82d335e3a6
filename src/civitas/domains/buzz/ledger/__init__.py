"""The ledger: accounts, entries and postings, and what is read from them.

`posting` is the only module that writes entries, and the only one that takes locks of accounts, always in the order
of their ids. `holds` sets Buzz aside; `wallets`, `statement`, `statistics` and `explorer` read; `auditing` proves; in
`adjusting` staff give and take.
"""
