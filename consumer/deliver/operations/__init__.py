"""What an operator does, and what keeps the ledger in order.

In: commands, settings, committed offsets. Out: changed rows, or a refusal with what to do. `pauses`, `resolve` and
`cancel` serve commands and console; `ledger_identity` and `ledger_restore` make sure at start that ledger and topics
belong together; `ledger_gauges` counts what stands in the ledger; `retention` deletes old rows. Each can be read on its
own.
"""
