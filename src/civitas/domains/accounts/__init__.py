"""People and how they prove who they are: accounts, sessions, passkeys, keys, scopes, profiles, follows, standing.

It owns `people` and what hangs on a person alone. Invariants: a username and an address belong to one living
account, compared folded; secrets are stored only as digests; a deleted person keeps their id and nothing else.
"""
