"""Demo content: small, true in structure, drawn and computed by our own code, and taken away by one command."""
