"""Comment threads on any kind of subject. It owns `comment_threads`, `comments`, `comment_revisions`, `comment_mentions`."""
