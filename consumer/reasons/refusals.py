"""Reasons of attempts that certainly reached nobody: refused, or never transmitted. Name to (meaning, what to do).

They stand with the statuses rejected, failed and, by webhook, failed after accepted.
"""

from collections.abc import Mapping

from consumer.reasons.decisions import NOTHING

_CODE = "Look the code up in docs/1msg.md#error-codes."
_ASK_1MSG = "Ask 1MSG's support: it is about their access to Meta."
_SEE_MANAGER = "Look at the account in WhatsApp Manager."

NOT_TRANSMITTED: Mapping[str, tuple[str, str]] = {
    "name_resolution": ("The host's name could not be resolved.", "Check DNS and the address in the configuration."),
    "connect": ("No connection could be made.", "Check the network, the firewall and the address."),
    "connect_timeout": ("No connection could be made in time.", "Check the network, the firewall and the address."),
    "tls": ("The encrypted connection could not be made.", "Check certificates, the clock, and what is in between."),
    "proxy": ("The proxy could not be reached, or refused.", "Check the proxy."),
    "no_connection": ("All connections were in use for too long.", "See why answers are slow; lower onemsg.rate."),
    "bad_address": ("The address cannot be one.", "Correct onemsg.base_url, or the fallback's."),
}

REFUSED: Mapping[str, tuple[str, str]] = {
    # Credential, channel and account: the circuit breaker opens.
    "credential": ("The token or password is not taken.", "Put the right one where the configuration names it."),
    "channel_blocked": ("1MSG blocks the channel: a trial, or an unpaid subscription.", "Settle it with 1MSG."),
    "wrong_address": ("1MSG has no such path or channel.", "Correct onemsg.base_url and onemsg.channel_id."),
    "provider_credential": ("Meta does not take 1MSG's token.", _ASK_1MSG),
    "provider_permission": ("1MSG's token lacks a permission at Meta.", _ASK_1MSG),
    "number_deleted": ("Our business number was deleted.", _SEE_MANAGER),
    "number_not_registered": ("Our business number is not registered.", "Register it, or ask 1MSG's support."),
    "display_name_not_approved": ("Our display name is not approved.", _SEE_MANAGER),
    "account_restricted": ("Our account is restricted for breaking a policy.", _SEE_MANAGER),
    "account_locked": ("Our account is locked.", _SEE_MANAGER),
    "payment_problem": ("Nothing is sent until a payment is settled.", "Settle the billing of the account."),
    "spam_restriction": (
        "Our number is restricted, since too many people blocked or reported it.",
        "Pause, look at the number's quality in WhatsApp Manager, and send less.",
    ),
    "marketing_disabled": (
        "Marketing is switched off on the account's Cloud API.",
        "Switch it on, or use a utility template.",
    ),
    "misclassified_templates": (
        "The account is limited because templates are in a wrong category.",
        "Wait; correct the categories of the templates.",
    ),
    # The template: its reminders wait.
    "unprocessable": ("1MSG cannot use the request: namespace or number of variables.", "Run `lapse check`."),
    "template_not_defined": ("The request lacked name, language or namespace.", "Run `lapse check`."),
    "template_missing": ("No such template in that language, or not approved.", "Run `lapse check`."),
    "template_paused": ("Meta paused the template for its quality.", "Wait 3 to 6 hours, improve it, send less of it."),
    "template_disabled": ("Meta disabled the template for good.", "Make a new one and name it in the configuration."),
    "template_against_policy": ("The template's content breaks a policy.", "Change it and have it approved again."),
    "template_not_usable": ("The template cannot be sent by the Marketing Messages API.", _SEE_MANAGER),
    "not_a_marketing_template": ("The Marketing Messages API takes marketing templates only.", _SEE_MANAGER),
    "test_template": ("hello_world can only be sent from test numbers.", "Name a template of your own."),
    "template_flow_blocked": ("A flow of the template is blocked.", "Use a template without a flow, or mend the flow."),
    "template_flow_throttled": (
        "A flow of the template is throttled.",
        "Use a template without a flow, or mend the flow.",
    ),
    "wrong_variables": (
        "The template's variables are not {{1}} and {{2}}, or have names.",
        "Change the template; `lapse check` says what it has.",
    ),
    "template_syncing": (
        "The template is new to the Marketing Messages API.",
        "Nothing: it takes 10 minutes at most.",
    ),
    # The rate, and what passes.
    "rate_limited": (
        "Too many requests for the channel, number or account.",
        "If it lasts, lower onemsg.rate.",
    ),
    "pair_rate_limited": ("Too many messages to this one person.", NOTHING),
    "provider_error": ("An error at Meta.", "Nothing; if it lasts, ask 1MSG's support."),
    "provider_overloaded": ("Meta is overloaded, or down.", NOTHING),
    "provider_unavailable": ("Meta is unavailable for a while.", NOTHING),
    "maintenance": ("Our number is under maintenance, for about a minute.", NOTHING),
    # The person.
    "unreachable": (
        "Not on WhatsApp, with an old client, or its terms not accepted; on another medium: no such mailbox.",
        "Check the number or address; set up a fallback.",
    ),
    "unknown_username": ("WhatsApp knows no such user name.", "Use the phone number."),
    "hidden_number_unsupported": ("This channel cannot write to hidden numbers.", "Use the phone number."),
    "blocked_by_us": ("The business has blocked this person.", "Unblock the person, if they are to be written to."),
    "country_not_allowed": ("The account may not write to this country.", "Set up a fallback, or ask Meta."),
    "own_number": ("Sender and recipient are the same number.", "Correct the contact."),
    "not_on_test_list": ("A test number writes only to people on its list.", "Add the person, or use a real number."),
    "opted_out": ("The person stopped our marketing in WhatsApp; kept as an opt-out.", NOTHING),
    "marketing_limit": (
        "The person has had enough marketing for now, or has a US number.",
        "Nothing; a utility template is not limited.",
    ),
    "experiment": ("The person is in an experiment of Meta's and gets no marketing.", NOTHING),
    # The message.
    "bad_request": ("1MSG refused the request (HTTP 400).", "Run `lapse check`; the log has 1MSG's text."),
    "bad_parameter": ("A parameter is missing, or cannot be used.", _CODE),
    "text_too_long": ("The text with its values is too long.", "Shorten the template, the name or the action."),
    "outside_window": ("Refused as if it were no template.", "Report it: a template should never get this."),
    "unsupported_message": ("A kind of message that is not supported.", _CODE),
    "media_failed": ("A header's media could not be loaded.", "Use a template without media."),
    "unknown_error": ("An error that no source explains; never tried again by itself.", _CODE),
    "repeated_failure": (
        "Failures that no source explains met several people in a row: channel or template is stopped, and they wait.",
        "Read the provider's words in /readyz or in the console, and settle it there; it is probed by itself.",
    ),
    "failed": ("Reported as failed, without a cause.", NOTHING),
    # Other media.
    "try_later": ("The mail server or the endpoint asked to come again later.", NOTHING),
    "refused": ("The mail server or the endpoint does not take this message.", "Look at its log."),
    "refused_by_policy": ("The mail server's policy refuses it: a blocklist, or its content.", "Look at its log."),
    "sender_refused": (
        "The mail server does not take our sender, or does not relay for us.",
        "Check fallback.email.from, its login, SPF, DKIM and DMARC.",
    ),
    "quota_exceeded": ("The mail account has reached its sending limit.", "Wait, or raise the limit."),
    "not_supported": ("The mail server lacks what is needed, such as STARTTLS.", "Check fallback.email.tls and port."),
    "wrong_endpoint": ("The endpoint answered as if it were another one.", "Check fallback.webhook.url and secret."),
}
