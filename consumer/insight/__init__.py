"""What happened, why, and what it is worth: history and counts come in, sentences and estimates go out. Pure.

`replay.py` takes history through detect's own rules; `activity_history.py` does so for one user, and `story.py` joins
that with the ledger's rows into sentences (`explanation.py` asks the ledger, `check_answers.py` tells each check). `report.py` sums up a span of time, `uplift.py` compares with the holdout,
`backtest.py` asks what would have happened, with `gaps.py` and `return_curve.py`: how long people stay away.
"""
