"""How commands talk to people and scripts.

In: errors, results, times as people write them. Out: exit statuses and texts on the terminal. Read `exit_codes.py`
first; `output.py` prints results, `time_arguments.py` reads and shows times, `process_argument.py` refuses processes
that do not exist, `account.py` says who types.
"""
