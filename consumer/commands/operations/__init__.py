"""The operator's hand: `lapse pause`, `resume`, `resolve`, `brake`, `opt-outs`, and starting anew with `ledger` and
`state`.

Each module is one command and works beside the running service, through the ledger or its HTTP API. Read `pause` first.
"""
