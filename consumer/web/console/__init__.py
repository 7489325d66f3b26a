"""The operators' page: the ledger and the parts' health come in, HTML and JSON without personal data go out.

`routes.py` (read it first) answers requests, `overview.py` is what is shown, `html.py` renders it.
"""
