"""The rules, pure: no clock, no database.

In: `Facts` about one due reminder, an outcome, or configuration. Out: a verdict, a retry, a next medium, a language.
Read `checks` first: its list decides whether a reminder is sent now. `retries` decides after a refusal, `fallback`
after an ending; `frequency_cap`, `holdout`, `languages`, `main_zones` and `message_plan` give the checks their values.
What people say: `consent`, `opt_out_requests`, `personal_text`, `record_bounds`. What a crowd of failures says:
`failure_pattern`. What the report counts as decided: `episodes`.
"""
