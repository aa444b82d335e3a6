"""The command line for people who use a Civitas: it speaks only HTTP to a server's Site API.

It knows no database and no domain. Whatever it does, another program can do with the same public routes.
"""
