"""Figures of speed and memory; run by `make bench`, written to docs/benchmarks.md."""
