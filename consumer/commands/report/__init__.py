"""`lapse report`: the funnel, reasons, failures, delays and the comparison with the holdout.

`main.py` (read it first) counts, `show.py` writes the report for a terminal, as JSON or as CSV.
"""
