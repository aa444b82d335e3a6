"""What the sandbox process does with a file: find out what it is, and whether it could do harm.

Everything here is called with hostile bytes, in a process with bounded memory and time and without a network.
"""
