"""The business, in reading order; each domain may import only those below it (see .importlinter)."""
