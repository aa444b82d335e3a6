"""The home page: which blocks it has, in which order, for everybody and for those who want it otherwise."""
