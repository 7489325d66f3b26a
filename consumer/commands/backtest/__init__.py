"""`lapse backtest`: what would have happened over the topic's history or over files, sending nothing.

`main.py` (read it first) joins the parts. `files.py` and `topic.py` read a history, `show.py` writes tables and JSON,
`html.py` a report with its own drawings.
"""
