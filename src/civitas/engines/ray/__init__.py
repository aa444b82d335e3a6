"""A Ray cluster as an engine: jobs of the other engines run in actors on its machines.

The agent keeps what it has to do with the site: claims, downloads, uploads. `hand` is what runs in an actor, `far_desk` the
desk it gives an engine there, `crew` the actors, `serving` answers from here what that desk asks. Ray is imported when used.
"""
