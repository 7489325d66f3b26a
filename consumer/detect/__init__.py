"""Who has gone quiet: batches of activities in, reminders out. Pure: no Kafka, no clock of its own.

Read `table.py` first: it applies an `activity_batch.py` to the rows of one partition (`row_loops.py`, as compiled code
`compiled_row_loops.py`), by the rules of `lapse_rules.py` (one row) and `row_rules.py` (many); `row_reminders.py` makes
a `reminder_batch.py` of what has lapsed. `watermark.py` says up to when silence can be trusted; `brake.py`, `volume.py`
and `input_quality.py` when silence is more likely a broken input. `snapshot.py` and `snapshot_loader.py` turn the table
into frames and back; `storage/` is its memory.
"""
