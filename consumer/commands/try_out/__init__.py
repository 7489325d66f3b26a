"""`lapse try`: one invented client goes through a whole service of its own, up to a real phone.

`command` (read it first) tells each step; `trial_settings` makes the service's settings from those of lapse.yaml;
`cleanup` removes what it leaves on the broker.
"""
