"""What people say to one another, and how they hear of it: comments, reviews, articles, chat, boards, notifications.

Each room is a package of its own with its tables; the contract of imports says which may see which. Nobody writes across a
block, whatever is shown to others is of a level that they asked for, and what is counted is what is shown.
"""
