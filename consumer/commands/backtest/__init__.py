"""`lapse backtest`: what would have happened over the topic's history or over files, sending nothing.

`main.py` (read it first) joins the parts. `files.py` reads a history that is not on the topic, `history.py` puts
activities aside until all are read. `show.py` writes tables and JSON, `html.py` a report with its own drawings,
`png.py` the curves as pictures. `ledger.py` asks the ledger what went out meanwhile, and publishes a result there.
"""
