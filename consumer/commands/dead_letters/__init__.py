"""`lapse dead-letters list` and `replay`: the dead-letters topic comes in; a table, or copies on their topics, go out.

`selection.py` (read it first) reads the topic and filters it, `list.py` shows it, `replay.py` puts records back.
"""
