"""Bytes of the activity topic in, columns out; and our own records to bytes and back.

In: values as Kafka hands them out. Out: a frame of activities (`decoder.Decoded`) and the values that are bad, with the
reason. Read `decoder.py` first, which `build.py` makes from settings: it reads with `avro/` or `json_reader.py`, maps a
platform's own events to activities with `event_mapping.py`, takes what lies beside the value with `record_metadata.py`,
reads `times/`, and validates the rows. `column_decoder.py` leaves the texts of most records where they lie. An odd
event is read alone with `row_reader.py`. `whole_events.py` is for looking at a topic. `schemas/` finds a value's
schema; `record_codec.py` reads and writes our records.
"""
