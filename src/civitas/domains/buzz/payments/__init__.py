"""What payment providers tell, for whatever is paid through them: kept as it came, then given to its owner."""
