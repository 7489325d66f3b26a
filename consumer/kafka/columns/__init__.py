"""Records of the activity topic as columns, without a Python object for each: what `source.fetch: columns` chooses.

Needs numba, from the extra `columns`. `column_consumer` is the group's member with the interface of confluent-kafka's;
its records come through `fetch_client`, which `gathering` compiles and `librdkafka` connects to the library's public
functions. Nothing outside this room knows of addresses.
"""
