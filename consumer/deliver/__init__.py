"""Deliver: takes reminders and contacts, sends what may be sent, follows it, and publishes every change of status.

In: the topics `reminders` and `contacts` (`intake`), 1MSG's webhook (`tracking`), operators' commands (`operations`).
Out: requests to 1MSG and the fallbacks (`sending`), the topics `delivery-status` and `opt-outs` (`outbox`). The truth
in between is the ledger; `lifecycle` owns every transition and `unit_of_work` writes them, many callers' at once with
`group_commit`. `leader_lease` lets one replica at a time publish. `message_ids` keeps what may be kept of the
messages of erased people.

One reminder's way: `intake` (`reminder_requests`) -> `sending/claims` (facts, checks, message) -> `sending/sender` ->
`sending/results` -> `tracking/` -> `outbox`. Read `lifecycle` first, then `policy/checks`, then `sending/sender`.

Imports point one way: sending > tracking, intake > channel, recipients, operations, outbox > unit_of_work > policy >
lifecycle.
"""
