"""Message templates: `listing.py` (read it first) reads 1MSG's list, `preflight.py` says whether one can be sent,
`parameters.py` makes a person's name and action safe to fill in."""
