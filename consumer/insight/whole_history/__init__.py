"""A history of many people as columns: activities come in, lapses, messages and gaps go out. Pure.

`activities.py` (read it first) orders the records by person and process. `lapses.py` is detect's rules over all of them
at once, `policies.py` what the replayable policies let through, `gaps.py` how long each person was silent. Nothing here
takes a step for each event or person.
"""
