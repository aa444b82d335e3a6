"""Chat: rooms of two or more, and what is said in them (FEATURES F6).

It owns `chat_rooms`, `chat_members`, `chat_messages` and `chat_reports`. Invariants: the same people have one room; nobody
writes across a block, nor sees what somebody behind one wrote; nobody reads a room who is not in it, staff neither unless
one of its messages was reported, and then that is logged.
"""
