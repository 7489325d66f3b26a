"""Who has gone quiet: batches of activities in, reminders out. Pure: no Kafka, no clock of its own.

Read `table.py` first: it applies the rules of `lapse_rules.py` to the rows of one partition. `watermark.py` says up to
when silence can be trusted, `brake.py` when too much silence is more likely a broken input. `snapshot.py` and
`snapshot_loader.py` turn the table into frames and back; `storage/` is its memory.
"""
