"""What becomes of messages that have left.

In: webhook bodies, hookInfo and 1MSG's message list. Out: changes of status, opt-outs and holds in the ledger.
`webhook_inbox` stores bodies and applies them, `poller` asks where no report comes; both use `status_reports`, which
matches by message id, and `reconciliation`, which settles unknown attempts by `message_matching`. `kept_words` keeps
what may mean to stop. Read `status_reports` first.
"""
