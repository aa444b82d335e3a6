"""Memberships: what runs, what was paid, the Buzz of each month, what waits its turn, what a tier entitles to."""
