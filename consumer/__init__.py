"""Lapse: notices clients who went quiet in the middle of something, and reminds each of them once.

In: records of activity and contacts, and calls of 1MSG's webhook. Out: messages, and records of what became of them.
`cli.py` is the command; `app.py` runs the parts that `wiring/` builds: read it first. ARCHITECTURE.md has a table of
the folders. The modules here are used by several of them: `records` (our topics' records), `clock`, `metrics`, `log`,
`trace_context` and `spans` (distributed tracing), `waiting`, `bounded_file`, and rules that both settings and deliver
need (`send_window`, `email_address`, `opt_out_words`). `testing` is for users' own tests.
"""
