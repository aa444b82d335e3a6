"""Whether people recommend a version, and why. It owns `reviews`: at most one of a person about a version."""
