"""The creator programme: taking part, banking, the pool of a month, cash and its withdrawal."""
