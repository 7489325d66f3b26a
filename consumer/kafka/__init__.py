"""Everything that talks to Kafka.

`detect_loop/` reads the activity topic and writes reminders exactly once; `changelog/` is the topic that detect's
tables are restored from. `at_least_once_consumer.py` reads the topics of deliver, and records that nobody can decode
go to the `dead_letters/`. `clients/` are the producers, consumers' helpers and error codes that all of them use;
`columns/` reads the activity topic without an object for each record, where that is configured.

To follow an activity to its reminder, start with `detect_loop/loop.py`.
"""
