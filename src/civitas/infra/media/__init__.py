"""Bytes of strangers on their way in: bounded, hashed, judged by what they are, rated, and only then stored."""
