"""The ledger: what must not be forgotten, in SQLite or PostgreSQL. Read `store` first.

`store` opens it and hands out transactions, `queries` holds every statement that runs in one, `schema` the tables and
their history, `errors` what stands in the way, `priority_lock` who writes first in SQLite. Decisions are made
elsewhere.
"""
