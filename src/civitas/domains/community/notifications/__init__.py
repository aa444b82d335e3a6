"""What happened that concerns a person, told on the site, by mail and by push.

It owns `notifications`, `notification_digests`, `push_devices` and `push_messages`.
"""
