"""`lapse check`: settings come in, a `CheckResult` for each thing the service needs goes out. Nothing is changed.

`run_checks.py` (read it first) runs them in order; `kafka`, `input_sample`, `ledger`, `onemsg` and `fallback` hold the
checks of one neighbour each.
"""
