"""Feeds of pictures and posts, what people feel about things, what they hide and have seen.

It owns `reactions`, `engagement_changes`, `subject_counts`, `feed_images`, `feed_posts`, `feed_terms`, `hidden_images`
and `seen_images`. Invariants: the feed holds exactly what everybody may be shown and is derived from facts alone;
`subject_counts` with `engagement_changes` says what `reactions` says.
"""
