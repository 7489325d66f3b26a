"""The sections of `lapse.yaml`, one module each; `template` and `event_paths` hold what several of them use.

The docstring under each field is its documentation: `docs/configuration.md` is generated from them. Read `processes`
first.
"""
