"""The schema that a value was written with: its header in, its parsed schema out.

Read `writer_schemas.py` first. `framing.py` knows the headers, `registry.py` asks the Schema Registry, for detect
through `background_registry.py`; `avro_schema.py` loads our own schemas and parses those of others with `resolver.py`.
`misread_fields.py` finds what of another's record would be taken for something else than our field of that name.
"""
