"""1MSG's webhook: `parser.py` (read it first) turns a body into the `notifications.py` it contains; `registration.py`
puts our address on the channel's list."""
