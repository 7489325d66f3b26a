"""Reasons of our own decisions about a reminder, by the status that it gets: name to (meaning, what to do)."""

from collections.abc import Mapping

NOTHING = "Nothing."

SUPPRESSED: Mapping[str, tuple[str, str]] = {
    "expired": (
        "The lapse became older than policy.expire_after before the reminder could go out.",
        "Look at what held it back: the deferrals before it, and lapse_watermark_delay_seconds.",
    ),
    "no_phone": ("The contact has no phone number, and another medium follows.", "Add one to the contact."),
    "bad_phone": (
        "What the contact has as a phone cannot be a number, and another medium follows.",
        "Correct it; write it with + and its country code, or set policy.default_region.",
    ),
    "unreadable_contact": (
        "Reading the contact raised an error, which the log names (contact_unreadable). Other people are not affected.",
        "Correct the contact's fields, and report the error.",
    ),
    "unusable_row": (
        "The row in the ledger holds a value that this version does not expect: see row_set_aside in the log.",
        "Find out what wrote it: a newer version, another program, or an earlier version that was less strict.",
    ),
    "unwritable": (
        "Writing the message raised an error, which the log names (message_unwritable). Other people are not affected.",
        "Correct the template, the configured texts or the contact's fields, and report the error.",
    ),
    "no_email": ("The contact has no e-mail address, and another medium follows.", "Add one to the contact."),
    "bad_email": ("What the contact has as an e-mail address cannot be one; another medium follows.", "Correct it."),
    "medium_not_configured": (
        "The row was made for a fallback that is not in the configuration any more.",
        "Nothing, or configure the fallback again for later reminders.",
    ),
    "no_opt_in": (
        "No consent: a contact record said opt_in: false; or none said true, and policy.require_opt_in is set.",
        "Once the person has agreed, write a contact record with opt_in: true.",
    ),
    "opted_out": (
        "The person asked for no more messages. This stops every medium.",
        "Nothing. Only the person lifts it: with START, in WhatsApp, through an operator, or by opted_in_at.",
    ),
    "unreachable": (
        "The number cannot be reached (not on WhatsApp, country closed), or marketing does not reach its country.",
        "Set up a fallback. A number that was refused is tried again after 30 days.",
    ),
    "already_asked": (
        "Since the person was last seen, a message after the same time of silence may have gone out already.",
        NOTHING,
    ),
    "not_selected": (
        "policy.only_users names other people.",
        "Take it out after the first launch.",
    ),
    "holdout": ("The person belongs to the share that gets no message (policy.holdout).", NOTHING),
    "dry_run": ("Everything was decided and nothing is sent (policy.dry_run).", "Set policy.dry_run to false to send."),
}

CANCELLED: Mapping[str, tuple[str, str]] = {
    "returned": ("The person was active in the process again.", NOTHING),
    "completed": ("The person has finished the process, or cancelled it.", NOTHING),
    "superseded": ("A later lapse of the same person in the same process takes its place.", NOTHING),
    "by_operator": ("An operator cancelled it in the console.", NOTHING),
    "arrived": ("An earlier attempt, or another medium, turned out to have reached the person.", NOTHING),
}

DEFERRED: Mapping[str, tuple[str, str]] = {
    "detect_behind": (
        "Detect is behind by policy.max_staleness: who came back is not known.",
        "If it lasts: see that detect runs and keeps up (lapse_watermark_delay_seconds).",
    ),
    "contacts_behind": (
        "Contacts were not read to their end within policy.max_staleness: who was deleted, or agrees, is not known.",
        "If it lasts: see that the broker answers, and that the part `contacts` is well (lapse_unread_contacts).",
    ),
    "no_contact": (
        "There is no contact for this user.",
        "Write one to the contacts topic; the reminder goes on at once, if it has not expired.",
    ),
    "no_name": (
        "The contact has no name for {{1}}, and policy.default_name is not set. It waits until the contact has one.",
        "Give the contact a name, or set policy.default_name; the reminder goes on at once, if it has not expired.",
    ),
    "no_phone": (
        "The contact has no phone number. It waits until the contact has one.",
        "Add one to the contact, or set up a fallback; the reminder goes on at once, if it has not expired.",
    ),
    "bad_phone": (
        "What the contact has as a phone cannot be a number. It waits until the contact has another one.",
        "Correct it; write it with + and its country code, or set policy.default_region.",
    ),
    "no_email": (
        "The contact has no e-mail address (fallback by e-mail). It waits until the contact has one.",
        "Add one to the contact.",
    ),
    "bad_email": (
        "What the contact has as an e-mail address cannot be one. It waits until the contact has another one.",
        "Correct it.",
    ),
    "recipient_hold": (
        "The provider asked to leave this person alone for a while, or they may have opted out in words of their own.",
        "If the console's Needs you lists them, read their words and settle it; else nothing.",
    ),
    "too_soon": (
        "The last attempt for this person and process is less than the shortest gap between steps of remind_after ago.",
        NOTHING,
    ),
    "paused": ("An operator has paused the process, or everything.", "`lapse resume` when it may go on."),
    "channel_stopped": (
        "The channel's circuit breaker is open: credential, account, or several failures in a row.",
        "Settle the reason that /readyz shows. It closes after one probing send that goes through.",
    ),
    "template_unusable": (
        "The template cannot be sent (paused, not approved, wrong variables), or the process is not configured.",
        "`lapse check` says what is wrong. It goes on by itself when the template can be sent again.",
    ),
    "quiet_hours": ("The send window is closed on the recipient's clock.", NOTHING),
    "frequency_cap": (
        "policy.max_per_user is reached for this person, or onemsg.unique_recipients_per_day for the channel.",
        "Nothing, or raise the limit if it is too low.",
    ),
    "retry_later": (
        "An attempt was certainly refused, or its message was reported as failed; another one follows.",
        "Nothing: the record before says why.",
    ),
}

ACCEPTED: Mapping[str, tuple[str, str]] = {
    "by_operator": ("An operator said that the message was sent (`lapse resolve --sent`).", NOTHING),
    "no_report": (
        "Accepted or sent, and within tracking.give_up_after no report of it came.",
        "If there are many: see that the webhook is registered and 1MSG's ackNotificationsOn is on (`lapse check`).",
    ),
}

UNKNOWN: Mapping[str, tuple[str, str]] = {
    "timeout": ("The request left, and no answer came in time.", NOTHING),
    "reset": ("The connection broke after the request had begun to leave.", NOTHING),
    "server_error": ("The answer was a 5xx, which does not say whether the message was taken.", NOTHING),
    "queued": ("1MSG answered with a jobId: it may still send the message.", NOTHING),
    "no_id": ("1MSG said that it was sent, and gave no id.", NOTHING),
    "unreadable_answer": ("The answer was no JSON object: something between 1MSG and us may have answered.", NOTHING),
    "no_verdict": ("The answer did not say whether the message was sent.", NOTHING),
    "contradictory": ("The answer said both yes and no.", NOTHING),
    "unexpected_status": ("An HTTP status that no source documents.", NOTHING),
    "client_error": ("An error of ours while sending; the log has it (send_failed).", "Report it."),
    "lease_ran_out": (
        "The process that was sending it died, or stood still, before it recorded the answer.",
        NOTHING,
    ),
    "ledger_restored": (
        "Unsent in the backup that this ledger was restored from; it may have gone out since.",
        NOTHING,
    ),
}

UNRESOLVED: Mapping[str, tuple[str, str]] = {
    "gave_up": (
        "After tracking.give_up_after nobody has found out whether the message was sent.",
        "Look into the chat in 1MSG's inbox, then `lapse resolve REMINDER --sent` or `--not-sent`.",
    ),
}

CHANNEL: Mapping[str, tuple[str, str]] = {
    "no_answers": (
        "Five attempts in a row whose outcome is not known.",
        "Look at 1MSG and at the way to it. Before a message is risked, `GET /status` has to answer.",
    ),
    "not_reachable": (
        "Five attempts in a row without an outcome, the last of which never left.",
        "Check name resolution, firewall, proxy and certificates on the way to onemsg.base_url.",
    ),
    "not_connected": (
        "1MSG says that the channel is not connected to WhatsApp.",
        "Connect it in 1MSG; nothing can be sent before.",
    ),
}
