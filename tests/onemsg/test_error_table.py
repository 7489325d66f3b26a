"""docs/1msg.md#error-codes: codes and texts to rules, and how long each remedy waits."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.clock import DAY, HOUR, MINUTE, SECOND, Millis
from consumer.onemsg import error_table
from consumer.onemsg.backoff import may_retry, wait
from consumer.onemsg.error_classification import classify
from consumer.onemsg.error_table import BY_CODE
from consumer.onemsg.outcomes import Remedy

M, R, O, C = Remedy.MESSAGE, Remedy.RECIPIENT, Remedy.OPT_OUT, Remedy.CHANNEL  # noqa: E741
S, P, D, T = Remedy.SLOW, Remedy.PAIR, Remedy.DAY, Remedy.TRANSIENT

# The remedy column of docs/1msg.md#error-codes, row by row.
CLASSES = {
    C: "0 190 3 10 200 250 299 33 368 131005 131031 131037 131042 131045 133006 133010 133015 133016 131048 131063 "
    "131064 132000 132001 132007 132012 132015 132016 131055 131058 132068 132069 134100 134102",
    T: "1 2 131000 131016 131059 133004 131057 134101",
    S: "4 80007 130429",
    M: "100 130472 131008 131009 131047 131051 131053 131062 132005 132008 132018 135000",
    R: "130403 130497 131021 131026 131030",
    D: "131049",
    O: "131050",
    P: "131056",
}


@pytest.mark.parametrize(("code", "remedy"), [(int(c), remedy) for remedy, cs in CLASSES.items() for c in cs.split()])
def test_every_documented_code_has_a_rule(code: int, remedy: Remedy) -> None:
    rule = classify(code)
    assert (rule.code, rule.remedy) == (code, remedy)
    assert re.fullmatch(r"[a-z][a-z_]+", rule.reason)
    assert rule.reason != "unknown_error"
    assert re.match(r"\[[a-z0-9]+\]|a guess", rule.source)


def test_table_has_only_documented_codes_each_once() -> None:
    known = {int(code) for codes in CLASSES.values() for code in codes.split()} | set(range(200, 300))
    assert set(BY_CODE) == known
    assert max(Counter(rule.code for rule in error_table.ROWS).values()) == 1


def test_template_rules_have_remedy_channel() -> None:
    marked = {code for code, rule in BY_CODE.items() if rule.template}
    assert marked == {132000, 132001, 132007, 132012, 132015, 132016, 131055, 131058, 132068, 132069, 134100, 134102}
    assert {BY_CODE[code].remedy for code in marked} == {C}


@pytest.mark.parametrize(
    ("text", "reason", "code"),
    [
        ("User's number is part of an experiment", "experiment", 130472),
        ("Business eligibility payment issue", "payment_problem", 131042),
        ("Account has been locked", "account_locked", 131031),
        ("Temporarily blocked for policies violations", "account_restricted", 368),
        ("WhatsApp provided number needs display name approval before", "display_name_not_approved", 131037),
        ("Template Param Count Mismatch", "wrong_variables", 132000),
        ("Template Parameter Format Mismatch", "wrong_variables", 132012),
        ("Template is Paused", "template_paused", 132015),
        ("Phone number Not Registered", "number_not_registered", 133010),
        ("Something went wrong", "provider_error", 131000),
        ("Service unavailable", "provider_unavailable", 131016),
        ("Service temporarily unavailable", "provider_unavailable", 131016),
        ("Cloud API message throughput has been reached.", "rate_limited", 130429),
        ("Message failed to send due to a phone number registration error.", "number_not_registered", 131045),
        ("Invalid OAuth access token data.", "provider_credential", 190),
        ("Account in maintenance mode", "maintenance", 131057),
        ("Receiver is incapable of receiving this message", "unreachable", 131026),
        ("This message was not delivered to maintain healthy ecosystem engagement.", "marketing_limit", 131049),
        ("healthy ecosystem: wait 24 hours", "marketing_limit", 131049),
        ("Re-engagement message", "outside_window", 131047),
        ("More than 24 hours have passed since the recipient last replied", "outside_window", 131047),
        ("(Business Account, Consumer Account) pair rate limit hit", "pair_rate_limited", 131056),
        ("Spam rate limit hit", "spam_restriction", 131048),
        ("Rate limit hit", "rate_limited", 130429),
        ("Message undeliverable", "unreachable", 131026),
        ("Unable to deliver message", "unreachable", 131026),
        (
            "Unable to deliver the message. This recipient has chosen to stop receiving marketing messages on WhatsApp",
            "opted_out",
            131050,
        ),
        ("Dialog window is closed", "outside_window", 131047),
        ("message is OUTSIDE THE ALLOWED WINDOW", "outside_window", 131047),
        ("131047", "outside_window", 131047),
        ("template is not defined", "template_not_defined", None),
        ("Template inactivity_reminder not found", "template_missing", None),
        ("template welcome in es does not exist", "template_missing", None),
        ("Username is not found", "unknown_username", None),
        ("phone is not linked with bsuid", "unknown_username", None),
        ("bsuid routing is disabled", "hidden_number_unsupported", None),
        ("Username routing is disabled", "hidden_number_unsupported", None),
        ("Too many requests", "rate_limited", None),
        ("rate limit", "rate_limited", None),
        ("Invalid token", "credential", None),
        ("Unauthorized", "credential", None),
    ],
)
def test_text_without_a_code_is_classified(text: str, reason: str, code: int | None) -> None:
    rule = classify(None, text)
    assert (rule.reason, rule.code) == (reason, code)
    assert rule.source


@pytest.mark.parametrize(
    ("code", "text", "known_by"),
    [
        (131026, "part of an experiment", 131026),
        (None, "(#131049) part of an experiment", 131049),
        (999999, "part of an experiment", 130472),
        (999999, "(#131026) x", 131026),
        (None, "code 131026.", 131026),
        (None, "1310261", None),
        (None, "(#99)", 99),
        (7, "unheard of", 7),
        (None, "unheard of", None),
        (None, None, None),
    ],
)
def test_code_takes_precedence_over_text(code: int | None, text: str | None, known_by: int | None) -> None:
    assert classify(code, text).code == known_by


@pytest.mark.parametrize(("code", "text"), [(None, None), (None, "new words"), (999999, "new words"), (0xFFFF, "")])
def test_unknown_error_is_final(code: int | None, text: str | None) -> None:
    rule = classify(code, text)
    assert (rule.reason, rule.remedy, rule.code) == ("unknown_error", M, code)
    assert not may_retry(rule.remedy)


@pytest.mark.slow
@given(st.none() | st.integers(), st.none() | st.text(max_size=200))
def test_any_code_and_text_has_a_rule(code: int | None, text: str | None) -> None:
    rule = classify(code, text)
    assert rule.remedy in Remedy
    assert rule.reason


@pytest.mark.parametrize(
    ("remedy", "waits"),
    [
        (P, [SECOND, 4 * SECOND, 16 * SECOND, 64 * SECOND, 256 * SECOND]),  # 4^X, X = 0, 1, 2 …
        (S, [5 * SECOND, 10 * SECOND, 20 * SECOND]),
        (T, [10 * SECOND, 30 * SECOND, 90 * SECOND]),
        (C, [MINUTE, 2 * MINUTE, 4 * MINUTE]),
        (D, [DAY, DAY, DAY]),
    ],
)
def test_backoff_grows_except_for_day(remedy: Remedy, waits: list[Millis]) -> None:
    assert [wait(remedy, attempt) for attempt in range(1, len(waits) + 1)] == waits


@pytest.mark.parametrize(("remedy", "longest"), [(P, DAY), (S, 15 * MINUTE), (T, 15 * MINUTE), (C, HOUR), (D, DAY)])
def test_backoff_has_a_maximum(remedy: Remedy, longest: Millis) -> None:
    assert wait(remedy, 1000) == longest


def test_retry_after_is_the_minimum() -> None:
    assert wait(S, 1, 90 * SECOND) == 90 * SECOND
    assert wait(S, 1, SECOND) == 5 * SECOND
    assert wait(D, 1, HOUR) == DAY
    assert wait(S, 1, None) == wait(S, 1, 0) == wait(S, 0)


@pytest.mark.parametrize("remedy", [M, R, O])
def test_final_remedy_has_no_backoff(remedy: Remedy) -> None:
    assert not may_retry(remedy)
    with pytest.raises(ValueError):
        wait(remedy, 1)


def test_every_remedy_is_final_or_has_a_backoff() -> None:
    assert {remedy for remedy in Remedy if may_retry(remedy)} == {C, S, P, D, T}
