"""Adapters to what lies outside: each package holds the Protocol, the real one, a fake and its settings."""
