"""The changelog (the state topic): tables in, records out, and back.

Read `writer.py` first: it describes the records. `reader.py` makes the table from them, `restore.py` reads a partition
of the topic and checks that it fits, `rebuild.py` starts it anew from the input's history.
"""
