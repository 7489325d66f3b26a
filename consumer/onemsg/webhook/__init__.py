"""1MSG's webhook: `parser.py` (read it first) turns a body into the `notifications.py` it contains, `inbound_texts.py`
finds what a person wrote in any form of message, `registration.py` puts our address on the channel's list."""
