"""Composition roots: the only room that knows everything."""
