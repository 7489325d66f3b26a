"""A stand-in for 1MSG's HTTP API, for tests, the demo and `lapse sandbox`. It imports nothing of Lapse.

In: HTTP requests as in docs/1msg.md. Out: 1MSG's answers, and webhook calls about what becomes of each message.
`server` is the entry and `app` puts the parts together; then read `send_template`: a request goes through
`request_parsing` and `validation` (`recipients`, `templates`), `faults/` decides what happens, `responses`
(`meta_errors`) answers, and `webhooks/` calls back. `routes` has all other pages, `channel_state` what a channel knows.
"""
