"""The operators' JSON API: guarded requests come in, JSON goes out. The console's pages show the same answers.

`routes` (read it first) lists the operations; `operation` makes a route of each, and `openapi` describes them. Looking:
`now` with `problems` and `counters`, `funnel`, `person`, `needs`, `insight`, `journal`, `brake`. Doing: `actions`.
`reuse` keeps many open pages from counting the ledger many times.
"""
