"""The HTTP server of a process: requests come in; webhook bodies are stored, and health, metrics and pages go out.

`routes.py` (read it first) puts the pages together and `server.py` serves them. `webhook.py` receives 1MSG's reports,
`health.py` knows how each part is doing. `auth.py` guards the API (`api/`), `session.py` the console (`console/`),
and `wrong_secrets.py` makes those who guess wait; `bounded_http.py` bounds what a stranger can make the server hold,
and `request_body.py` what those hold who may ask.
"""
