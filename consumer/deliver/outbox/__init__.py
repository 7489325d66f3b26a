"""From the ledger onto `delivery-status` and `opt-outs`.

In: records that are durable in the ledger. Out: the same records on their topics, in order and at least once.
`outboxes` reads and flags them; `publisher`, to be read first, moves them under one lease and one writer.
"""
