"""1MSG's HTTP API: a message or a question comes in, an `Outcome` or a typed answer goes out. Knows no reminders.

`client.py` (read it first) has a method for each call. `outcomes.py` is what an attempt to send can end in, and
`send_response.py` decides which, by `error_classification.py` and its `error_table.py`; `api_errors.py` does so for all
other calls. `http/` is the transport, `templates/` checks what can be sent, `webhook/` reads reports and registers our
address. `phone.py` and `masking.py` are about numbers and secrets, `limits.py` and `backoff.py` about how much and when
again.
What is known of the API, and how surely, is in `docs/1msg.md`.
"""
