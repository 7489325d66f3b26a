"""Builds the deliver role from settings: `role.Deliver`, with its works, consumers and webhook. Read `role` first.

`parts` joins deliver's parts (also for `consumer.testing`); `settings` and `fallback` read settings; `ledger` opens the
ledger and refuses a wrong one; `outbox` builds the publisher; `channel_maintenance` keeps 1MSG's side in order;
`opt_outs_topic` reads opt-outs into a new ledger; `topic_lineage` and `contacts_age` watch the topics it reads.
"""
