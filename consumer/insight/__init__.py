"""What happened, why, and what it is worth: history and counts come in, sentences and estimates go out.

Pure, but for `explanation.py`, which asks the ledger.

`replay.py` takes activities through detect's own table; `activity_history.py` does so for one user. `explanation.py`
gathers what the ledger knows of them, and `story.py` joins both into sentences, with the answer of each check
(`check_answers.py`). `report.py` sums up a span of time, `uplift.py` compares with the holdout, `backtest.py` asks what
would have happened to everybody (`whole_history/`), with `return_curve.py`: how long people stay away
(`curve_drawing.py` for a page). `published_backtest.py` is how the ledger keeps one.
"""
