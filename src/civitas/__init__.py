"""Civitas: an open, self-hosted community platform for generative-AI models."""

__version__ = "0.1.0"
