"""Calling the channel's webhooks back.

`registration`: which URLs are called, and the channel's settings. `payloads`: the JSON they get. `webhook_sender`: the
calls, with queues and repeats.
"""
