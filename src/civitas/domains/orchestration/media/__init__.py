"""Media of workflows beside the blobs themselves: what is refused, what is fetched, links, archives, previews, sweeping.

Invariants: bytes are judged by what they are, never by what is said of them; what is blocked is neither used nor shown;
what nobody rated is its owner's alone; nothing that a person points at is fetched inside a transaction, from a private
address, or without a bound.
"""
