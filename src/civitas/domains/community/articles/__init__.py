"""Articles: long texts with pictures, written in drafts that lose nothing, read in calm (FEATURES F4).

It owns `articles`, `article_revisions`, `article_tags`, `article_images` and `article_views`. Invariants: what the public
reads is the text that was published last, whatever is being written meanwhile; an article is at least as mature as the most
mature picture in it and as its writer says; a revision is never changed once a later one exists.
"""
