"""The dead letters: records that could not be read, unchanged, on a topic of their own.

In:  a record and why it was rejected (`records.py`, published by `publisher.py`), unless it is larger than the topic
takes (`size_limit.py`); `isolation.py` finds the one in a batch. `rejection_log.py` sums up what was rejected.
Out: what the topic holds, for `lapse dead-letters list` and `replay` (`topic_reader.py`), which offsets of it are
meant (`offset_bitmap.py`), and the records that its letters name (`origin_reader.py`).
`topic_summary.py` tells how much it holds without reading it.
"""
