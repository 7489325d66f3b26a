"""Detect's loop: from the activity topic to reminders, in seven steps. Read `loop.py` first.

In:  records and end offsets of the activity topic, and the partitions that the consumer group assigns.
Out: one transaction a checkpoint: reminders, dead letters, watermarks, changelog segments and the input's offsets.

`batch_builder` collects what one poll returned, by one of the ways of `fetching` (step 1), `batch_processor` has it
decoded, by `decoding` or `column_decoding`, and applies it to each `partition_task` (2, 3), `end_offset_poller` and
`brake_control` decide how far the watermarks may move and whether lapses are held (4), `start_report` tells of those
that are only counted, `checkpoint` commits what `reminder_encoder` wrote (5 to 7). `assignment` opens and releases
partitions; `partition_count_guard` stops everything when the topic is given more of them. `range_reader` reads batches
of the past in the same way, for who asks what would have happened.
"""
