"""`lapse explain`: one user's story, gathered and printed.

`main.py` (read it first) has ledger and topic asked, `show.py` writes the story for a terminal or as JSON.
"""
