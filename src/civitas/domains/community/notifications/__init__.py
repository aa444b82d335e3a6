"""What happened that concerns a person, told on the site and by mail. It owns `notifications` and `notification_digests`."""
