"""Rates pictures: what a detector sees in one, as a level (`mediaRating`).

The detector is NudeNet, an optional extra that is not installed by default: its model is under the AGPL.
"""
