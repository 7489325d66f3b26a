"""The fast Avro reader: framed values of any writer schema in, a frame of fields out.

Read `batch_reader.py` first: it groups a `value_batch.py` by the values' headers. `schema_compiler.py` turns a writer's
schema and the wanted paths into a decoder of `cursor.py`'s steps; `field_decoders.py` stores the fields,
`items_decoders.py` goes through maps and arrays, `leaf_types.py` says which types a field may have. `single_record.py`
reads the few odd records one at a time with `plain_readers.py`. `whole_value.py` reads everything of a value.
`batch_writer.py` is the way back.
"""
