"""What each error of a template send means and what to do: docs/1msg.md#error-codes as data, with the source of each
row.

Where a row there has two classes, the one that loses nothing is used: a template whose variables do not match
stops that template, and the reminder waits until somebody fixes it, instead of failing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from consumer.clock import DAY, HOUR, MINUTE, Millis
from consumer.onemsg.outcomes import Remedy

_MESSAGE, _RECIPIENT, _OPT_OUT = Remedy.MESSAGE, Remedy.RECIPIENT, Remedy.OPT_OUT
_CHANNEL, _SLOW, _PAIR, _DAY, _TRANSIENT = Remedy.CHANNEL, Remedy.SLOW, Remedy.PAIR, Remedy.DAY, Remedy.TRANSIENT


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """One row. `reason` is a label; `source` is docs/1msg.md#sources's; `not_before` is the shortest wait in
    milliseconds.

    `template`: only this template is unusable; the channel's others are not.
    """

    code: int | None
    reason: str
    remedy: Remedy
    source: str
    template: bool = False
    not_before: Millis | None = None
    titles: tuple[str, ...] = ()
    """Meta's titles of the error, or words of its details, for reports that have words and no code."""


ROWS = (
    ErrorRule(0, "provider_credential", _CHANNEL, "[meta]", titles=("AuthException",)),
    ErrorRule(
        190,
        "provider_credential",
        _CHANNEL,
        "[meta]",
        titles=("Access token has expired", "Invalid OAuth access token"),
    ),
    ErrorRule(3, "provider_permission", _CHANNEL, "[meta]"),
    ErrorRule(10, "provider_permission", _CHANNEL, "[meta]", titles=("Permission Denied",)),
    ErrorRule(1, "provider_error", _TRANSIENT, "[meta] temporary, or a bad request: few tries"),
    ErrorRule(2, "provider_overloaded", _TRANSIENT, "[meta]", titles=("API Service",)),
    ErrorRule(4, "rate_limited", _SLOW, "[meta] the whole app", titles=("API Too Many Calls",)),
    ErrorRule(80007, "rate_limited", _SLOW, "[meta] the whole account", titles=("Rate limit issues",)),
    ErrorRule(33, "number_deleted", _CHANNEL, "[meta] our own number"),
    ErrorRule(100, "bad_parameter", _MESSAGE, "[meta]", titles=("Invalid parameter",)),
    ErrorRule(368, "account_restricted", _CHANNEL, "[meta]", titles=("Temporarily blocked for policies violations",)),
    ErrorRule(130403, "blocked_by_us", _RECIPIENT, "[meta] do not retry"),
    ErrorRule(
        130429,
        "rate_limited",
        _SLOW,
        "[meta][throughput] the number's throughput",
        titles=("message throughput has been reached",),
    ),
    ErrorRule(130472, "experiment", _MESSAGE, "[meta]; seen by webhook, never retried in production [inbox]"),
    ErrorRule(
        130497, "country_not_allowed", _RECIPIENT, "[meta]", titles=("restricted from messaging users in this country",)
    ),
    ErrorRule(
        131000, "provider_error", _TRANSIENT, "[meta] once or twice, then look", titles=("Something went wrong",)
    ),
    ErrorRule(131005, "provider_permission", _CHANNEL, "[meta]", titles=("Access denied",)),
    ErrorRule(131008, "bad_parameter", _MESSAGE, "[meta] missing", titles=("Required parameter is missing",)),
    ErrorRule(131009, "bad_parameter", _MESSAGE, "[meta] invalid", titles=("Parameter value is not valid",)),
    ErrorRule(
        131016,
        "provider_unavailable",
        _TRANSIENT,
        "[meta]",
        titles=("Service unavailable", "Service temporarily unavailable"),
    ),
    ErrorRule(133004, "provider_unavailable", _TRANSIENT, "[meta]", titles=("Server Temporarily Unavailable",)),
    ErrorRule(
        131021, "own_number", _RECIPIENT, "[meta] sender and recipient are one", titles=("Recipient cannot be sender",)
    ),
    ErrorRule(
        131026,
        "unreachable",
        _RECIPIENT,
        "[meta][evolution] not on WhatsApp, an old client, or terms not accepted",
        titles=("Message Undeliverable", "Receiver is incapable of receiving this message"),
    ),
    ErrorRule(
        131030,
        "not_on_test_list",
        _RECIPIENT,
        "[pywa] a test number writes to listed people only",
        titles=("Recipient phone number not in allowed list",),
    ),
    ErrorRule(
        131031, "account_locked", _CHANNEL, "[meta]", titles=("Account has been locked", "Business Account locked")
    ),
    ErrorRule(
        131037,
        "display_name_not_approved",
        _CHANNEL,
        "[meta]",
        titles=("display name approval", "Display name not approved"),
    ),
    ErrorRule(
        131042,
        "payment_problem",
        _CHANNEL,
        "[meta] everything fails until billing is mended",
        titles=("Business eligibility payment issue",),
    ),
    ErrorRule(
        131045,
        "number_not_registered",
        _CHANNEL,
        "[meta]",
        titles=("Incorrect certificate", "phone number registration error"),
    ),
    ErrorRule(133010, "number_not_registered", _CHANNEL, "[meta]", titles=("Phone number Not Registered",)),
    ErrorRule(131047, "outside_window", _MESSAGE, "[n8n][kapso] should not occur for a template"),
    ErrorRule(131048, "spam_restriction", _CHANNEL, "[meta]; not before hours: a guess", not_before=4 * HOUR),
    ErrorRule(131049, "marketing_limit", _DAY, "[userlimits] by webhook; earlier tries can prolong it", not_before=DAY),
    ErrorRule(131050, "opted_out", _OPT_OUT, "[meta][preferences] stopped our marketing"),
    ErrorRule(131051, "unsupported_message", _MESSAGE, "[meta]", titles=("Unsupported message type",)),
    ErrorRule(131053, "media_failed", _MESSAGE, "[meta] cannot occur for text", titles=("Media upload error",)),
    ErrorRule(131056, "pair_rate_limited", _PAIR, "[pair]; relayed as 429 by another provider [ycloud]"),
    ErrorRule(
        131057,
        "maintenance",
        _TRANSIENT,
        "[meta] about a minute",
        not_before=2 * MINUTE,
        titles=("Account in maintenance mode",),
    ),
    ErrorRule(131062, "hidden_number_unsupported", _MESSAGE, "[pywa]"),
    ErrorRule(
        131063,
        "marketing_disabled",
        _CHANNEL,
        "[meta] on the Cloud API of this account",
        titles=("Marketing messages disabled",),
    ),
    ErrorRule(131064, "misclassified_templates", _CHANNEL, "[meta] lifts by itself"),
    ErrorRule(
        132000,
        "wrong_variables",
        _CHANNEL,
        "[meta] their number",
        template=True,
        titles=("Template Param Count Mismatch", "number of parameters does not match"),
    ),
    ErrorRule(
        132001,
        "template_missing",
        _CHANNEL,
        "[meta] in that language, or not approved",
        template=True,
        titles=("Template does not exist",),
    ),
    ErrorRule(132005, "text_too_long", _MESSAGE, "[meta]", titles=("Template Hydrated Text Too Long",)),
    ErrorRule(
        132007,
        "template_against_policy",
        _CHANNEL,
        "[meta]",
        template=True,
        titles=("Template Format Character Policy Violated",),
    ),
    ErrorRule(132008, "bad_parameter", _MESSAGE, "[pywa]"),
    ErrorRule(
        132012,
        "wrong_variables",
        _CHANNEL,
        "[meta][templates] their form, e.g. named",
        template=True,
        titles=("Template Parameter Format Mismatch", "Parameter format does not match"),
    ),
    ErrorRule(
        132015,
        "template_paused",
        _CHANNEL,
        "[pausing] 3 h, then 6 h",
        template=True,
        not_before=3 * HOUR,
        titles=("Template is Paused",),
    ),
    ErrorRule(
        132016, "template_disabled", _CHANNEL, "[pausing] for good", template=True, titles=("Template is Disabled",)
    ),
    ErrorRule(132018, "bad_parameter", _MESSAGE, "[meta]"),
    ErrorRule(131055, "not_a_marketing_template", _CHANNEL, "[meta]", template=True),
    ErrorRule(134100, "not_a_marketing_template", _CHANNEL, "[meta]", template=True),
    ErrorRule(134101, "template_syncing", _TRANSIENT, "[meta] at most 10 minutes", not_before=10 * MINUTE),
    ErrorRule(134102, "template_not_usable", _CHANNEL, "[meta] on the Marketing Messages API", template=True),
    ErrorRule(
        131058,
        "test_template",
        _CHANNEL,
        "[meta] hello_world is for test numbers",
        template=True,
        titles=("Hello World templates can only be sent",),
    ),
    ErrorRule(131059, "provider_unavailable", _TRANSIENT, "a guess: no source says what it means"),
    ErrorRule(
        132068,
        "template_flow_blocked",
        _CHANNEL,
        "[meta] a flow of the template",
        template=True,
        titles=("Flow is in blocked state",),
    ),
    ErrorRule(
        132069,
        "template_flow_throttled",
        _CHANNEL,
        "[meta] a flow of the template",
        template=True,
        titles=("Flow is in throttled state",),
    ),
    ErrorRule(
        133006,
        "number_not_registered",
        _CHANNEL,
        "[meta] our number has to be verified again",
        titles=("re-verification needed",),
    ),
    ErrorRule(
        133015,
        "number_not_registered",
        _CHANNEL,
        "[meta] our number was deleted a moment ago",
        not_before=5 * MINUTE,
        titles=("Please wait a few minutes before attempting to register",),
    ),
    ErrorRule(
        133016,
        "number_not_registered",
        _CHANNEL,
        "[meta] registered too often",
        not_before=HOUR,
        titles=("Account register deregister rate limit",),
    ),
    ErrorRule(135000, "provider_error", _MESSAGE, "[meta] a generic request error"),
    *(ErrorRule(code, "provider_permission", _CHANNEL, "[meta] 200-299") for code in range(200, 300)),
)

BY_CODE: Mapping[int, ErrorRule] = MappingProxyType({row.code: row for row in ROWS if row.code is not None})
"""The rules by Meta's error code."""
