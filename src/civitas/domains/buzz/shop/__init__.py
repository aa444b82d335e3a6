"""Cosmetics and the shop: having and wearing them, selling, creators' own items."""
