"""`lapse explain`: one user's story, gathered and printed.

`main.py` (read it first) asks the ledger, `topic.py` reads the user's activities back, `show.py` writes the story for a
terminal or as JSON.
"""
