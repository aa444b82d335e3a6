"""The rules and numbers of the economy: `economy.toml`, its shape, and the versions that were in force.

Everything else in this domain asks `economy.current()` and never has a number of its own.
"""
