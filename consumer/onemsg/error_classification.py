"""Finds the rule of an error that comes with a code, with a code in its text, or with words alone."""

import re

from consumer.onemsg.error_table import BY_CODE, ROWS, ErrorRule
from consumer.onemsg.outcomes import Remedy

# Errors that 1MSG describes in its own words, with or without a code.
_CREDENTIAL = ErrorRule(None, "credential", Remedy.CHANNEL, "[n8n][spec2023]")
_NOT_DEFINED = ErrorRule(
    None, "template_not_defined", Remedy.CHANNEL, "[n8n] name, language or namespace left out", True
)
_NOT_FOUND = ErrorRule(None, "template_missing", Remedy.CHANNEL, "[n8n]", True)
_NO_USERNAME = ErrorRule(None, "unknown_username", Remedy.RECIPIENT, "[n8n]")
_NO_ROUTE = ErrorRule(None, "hidden_number_unsupported", Remedy.RECIPIENT, "[n8n] usernames or BSUIDs are switched off")
_TOO_MANY = ErrorRule(None, "rate_limited", Remedy.SLOW, "[n8n]")

BY_TEXT: tuple[tuple[re.Pattern[str], ErrorRule], ...] = tuple(
    (re.compile(words, re.IGNORECASE | re.DOTALL), rule)
    for words, rule in (
        (r"part of an experiment", BY_CODE[130472]),  # [inbox], the only one confirmed on 1MSG
        (r"stop(ped)? receiving marketing", BY_CODE[131050]),  # [meta]: before 131026, whose title begins alike
        (r"healthy ecosystem", BY_CODE[131049]),  # [meta][inbox]
        (r"pair rate limit", BY_CODE[131056]),  # [ycloud]
        (r"spam rate limit", BY_CODE[131048]),  # [niswey]
        (r"rate limit hit", BY_CODE[130429]),  # [meta], once the pair and spam limits are ruled out
        (r"undeliverable|unable to deliver message", BY_CODE[131026]),  # [meta]
        (r"re-engagement|24 hours", BY_CODE[131047]),  # [n8n][kapso]
        (r"dialog window is closed|outside (the allowed )?window", BY_CODE[131047]),  # [n8n]
        (r"(invalid|wrong) token|unauthorized", _CREDENTIAL),
        (r"template is not defined", _NOT_DEFINED),
        (r"\btemplate\b.*(not found|does not exist)", _NOT_FOUND),
        (r"username is not found|not linked with bsuid", _NO_USERNAME),
        (r"(bsuid|username) routing is disabled", _NO_ROUTE),
        (r"too many request|rate limit", _TOO_MANY),
    )
) + tuple(
    (re.compile(re.escape(title), re.IGNORECASE), row)
    for title, row in sorted(((t, row) for row in ROWS for t in row.titles), key=lambda pair: -len(pair[0]))
)
"""Rules by text, in the order in which they are tried (docs/1msg.md#error-texts), for errors without a code."""

_MAX_CHARACTERS = 2000  # no explanation is longer
_MARKED = re.compile(r"\(#(\d{1,7})\)", re.ASCII)
_BARE = re.compile(r"(?<!\d)(13\d{4})(?!\d)", re.ASCII)


def code_in(text: str) -> int | None:
    """Return the code in a text: `(#132000) …` (docs/1msg.md#answers-to-sendtemplate), or a number that is one of
    Meta's (`131047`, [n8n])."""
    if marked := _MARKED.search(text):
        return int(marked[1])
    return next((int(found) for found in _BARE.findall(text) if int(found) in BY_CODE), None)


def classify(code: int | None, text: str | None = None) -> ErrorRule:
    """Return the rule for an error: by its code, by a code in its text, or by the text itself
    (docs/1msg.md#error-codes).

    An unknown error is final: reason `unknown_error`, not tried again by itself.
    """
    words = (text or "")[:_MAX_CHARACTERS]
    for number in (code, code_in(words)):
        if number is not None and number in BY_CODE:
            return BY_CODE[number]
    for pattern, rule in BY_TEXT:
        if pattern.search(words):
            return rule
    return ErrorRule(code if code is not None else code_in(words), "unknown_error", Remedy.MESSAGE, "no source")
