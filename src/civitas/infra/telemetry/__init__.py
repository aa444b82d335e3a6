"""What the processes say of themselves: structured logs, metrics, traces."""
