"""Builds the parts of each role from settings: the one place that does. `app` runs what is built here.

In: `Settings`. Out: `detect.build`'s loop, `deliver.role.Deliver`, and the pages (`web`). `shared` is what both roles
use; `part_loop` runs one part with its health; `progress_log` logs what the process does, in few lines;
`metric_series` lets counters begin at 0; `activity_reader` reads the input topic's history back;
`open_telemetry` exports spans. Read `detect` first.
"""
