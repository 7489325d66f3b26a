"""What Lapse adds to confluent-kafka's clients. Nothing here knows what is in a record.

`client_settings`, `error_codes` and `retries` are common to all. Producers: `transactional_producer` (all or nothing),
`exclusive_publisher` (one process at a time) and `publisher` (acknowledged); what they take is in `output`. Offsets:
`partition_offsets`, `group_offsets` and `message_position`. `topics` checks and creates topics; `client_error_log` and
`connection_watchdog` report clients that get no answers, `login_errors` says why one is not let in.
"""
