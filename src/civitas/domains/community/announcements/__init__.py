"""What the house tells everybody: in its time, to those whom it concerns, until they put it away (FEATURES F9).

It owns `announcements` and `announcement_dismissals`.
"""
