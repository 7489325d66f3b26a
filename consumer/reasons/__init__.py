"""Every reason that Lapse gives: what it means, and what to do about it. Data only.

A reason is the named cause of a decision: the same word is the topic's field, the metric's label and the log's field.
`decisions.py` has those of our own, `refusals.py` those of attempts that were refused or never left, `records.py` those
of records, opt-outs and the brake. `catalogue.py` puts them into groups, of which docs/reasons.md is written.
"""
