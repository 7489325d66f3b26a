"""What a medium's channel can take now.

In: outcomes of attempts, 1MSG's list of templates. Out: whether, how fast and with which template a message may leave.
`circuit_breaker` holds the rules of channel and template breakers (read it first), `breaker_updates` applies them, and
`failure_streaks` remembers the failures that no table explains; `sending_state` tells whether anything can be sent at
all; `rate_limit` and `recipient_quota` count; `template_status`, `template_watcher` and `template_choice` follow and
choose templates.
"""
