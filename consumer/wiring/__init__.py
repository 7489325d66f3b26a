"""Builds the parts of each role from settings: the one place that does. `app` runs what is built here.

In: `Settings`. Out: `detect.build`'s loop, and `deliver.Deliver` with its works, consumers and webhook.
`shared` is what both roles use. Deliver: `deliver_parts` joins its parts (also for `consumer.testing`); `fallback` and
`deliver_settings` read settings; `outbox` builds the publisher; `channel_maintenance` keeps 1MSG's side in order;
`part_loop` runs one part with its health; `progress_log` logs what the process does, in few lines; `ledger` opens the
ledger and refuses a wrong one; `activity_reader` reads one user's activities back. Read `deliver` first.
"""
