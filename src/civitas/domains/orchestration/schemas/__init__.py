"""What every kind of step takes and gives, as the Orchestration API's published schemas say it.

`interface.json` is made by `tools/orchestration_schemas.py`: names, types, limits, enumerations, discriminators and
defaults, and the list of operations. `interface` reads it, `checking` holds inputs against it, `bounds` refuses what is
too large or too deep to look at.
"""
