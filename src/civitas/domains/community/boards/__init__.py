"""Boards of who did most lately, what a score is made of, and milestones (FEATURES F40, A15, F7).

It owns `board_standings`, `board_legends` and `milestones`. Everything here is computed from what others keep, by schedules,
each in few statements; computing twice on a day changes nothing. Nobody is on a board who may not be.
"""
