"""`lapse.yaml` and the environment come in, `Settings` goes out; a mistake is a `ConfigError` with one line a problem.

`settings.py` is the whole file: read it first. Each section has a module (`kafka`, `source`, `processes`, `detect`,
`onemsg`, `policy`, `fallback`, `service`); `template` and `types` hold what several sections use.
`loader` reads the file (with `strict_yaml`) and lays the environment over it; `errors` puts mistakes into words.
The docstring under each field is its documentation: `docs/configuration.md` is generated from them.
"""
