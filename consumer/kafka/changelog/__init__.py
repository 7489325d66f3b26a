"""The changelog (the state topic): tables in, records out, and back.

Read `writer.py` first: it describes the records. `reader.py` makes the table from them, `restore.py` reads a partition
of the topic and checks that it fits, `rebuild.py` starts it anew (`rebuild_marker.py`) from the input's history.
`segment_header.py` is what each record says of itself; `lineage.py` compares what a state was made from with the
`input_topic.py` that is there, `latest_lineage.py` reads it without restoring.
"""
