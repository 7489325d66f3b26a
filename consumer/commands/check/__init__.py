"""`lapse check`: settings come in, a `CheckResult` for each thing the service needs goes out. Nothing is changed.

`run_checks` (read it first) runs them in order. `kafka`, `ledger`, `onemsg` and `fallback` hold the checks of one
neighbour each; `data` runs those of the topics' content: `input_sample` looks at records as detect
would, `source_paths` and `event_names` compare whole events with the configuration, `people` looks at contacts,
`forecast` tells what a start would do.
"""
