"""What the reminders are worth, and what other thresholds would do: pure statistics over counted gaps and episodes.

`return_curve.py` counts how long people stay away, `uplift.py` compares those who were asked with the holdout.
"""
