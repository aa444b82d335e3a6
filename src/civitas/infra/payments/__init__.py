"""Taking money from the world outside: one port, an adapter for each provider. No adapter knows what is sold."""
