"""From due rows to recorded outcomes, on any medium.

In: due rows of the ledger. Out: requests to a medium's client, and the outcomes in the ledger.
`sender` runs the three steps and is read first; `claims` decides about a batch and journals it, with `facts` for the
checks and `medium` for what differs between WhatsApp, e-mail and webhook; `journal_check` looks whether another
database server has lost it; `results` records the outcomes; `fallback_planner` adds the row of the next medium.
"""
