"""`lapse.yaml` and the environment come in, `Settings` goes out; a mistake is a `ConfigError` with one line a problem.

`settings.py` is the whole file: read it first. `sections/` has a module for each of its sections. `loader` reads the
file (with `strict_yaml`), lays the environment over it and refuses `placeholders`; `errors` puts mistakes into words;
`types` holds what several sections use.
"""
