"""A demonstration of the whole service on one machine; `lapse demo` (commands/demo.py) puts its parts together.

In: a seed. Out: contacts and activities on an embedded broker, a view of what Lapse does with them, and a verdict.
Start with `activity_plan`. Then: `people` (invented contacts) · `activity_producer` (writes both to `broker`) ·
`settings` (the demo's `lapse.yaml`) · `verdict` (judges what `delivery-status` says and 1MSG took) · `view` (what is
shown, from the console's `/api/funnel` and 1MSG's `/_sandbox/messages`).
"""
