"""What is new of whom and what one follows: models, posts, articles, and what came into collections. It owns no table."""
