"""The dead letters: records that could not be read, unchanged, on a topic of their own.

In:  a record and why it was rejected (`records.py`, published by `publisher.py`).
Out: what the topic holds, for `lapse dead-letters list` and `replay` (`topic_reader.py`), and which offsets of it are
meant (`offset_bitmap.py`).
"""
