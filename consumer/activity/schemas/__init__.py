"""The schema that a value was written with: its header in, its parsed schema out.

Read `writer_schemas.py` first. `framing.py` knows the headers, `registry.py` asks the Schema Registry,
`avro_schema.py` parses schemas and loads our own.
"""
