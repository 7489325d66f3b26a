"""docs/1msg.md#answers-to-sendtemplate, row by row, and everything that is on no row."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consumer.clock import DAY, HOUR, MINUTE, SECOND
from consumer.onemsg.masking import MAX_CHARACTERS
from consumer.onemsg.outcomes import Accepted, Outcome, Rejected, Remedy, Unknown
from consumer.onemsg.send_response import MAX_RETRY_AFTER, outcome_of_response

NOW = 1_790_000_000_000
JSON = {"Content-Type": "application/json"}


def judged(status: int, body: object, headers: dict[str, str] | None = None) -> Outcome:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return outcome_of_response(status, headers or JSON, raw, now=NOW)


def refused(status: int, body: object, headers: dict[str, str] | None = None) -> Rejected:
    outcome = judged(status, body, headers)
    assert isinstance(outcome, Rejected)
    return outcome


META = {
    "message": "(#132000) Number of parameters does not match the expected number of params",
    "type": "OAuthException",
    "code": 132000,
    "error_data": {"messaging_product": "whatsapp", "details": "body: number of localizable_params (1)"},
    "fbtrace_id": "A",
}


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize(
    "body",
    [
        {"sent": True, "id": "wamid.AAA", "message": "Sent to 15551230000@c.us", "description": "…"},
        {"sent": True, "id": "wamid.AAA", "message": "wamid.AAA"},
        {"sent": "true", "id": "wamid.AAA"},
        {"sent": 1, "id": "wamid.AAA"},
        {"sent": True, "id": "wamid.AAA", "jobId": "12345"},
        {"sent": True, "id": "wamid.AAA", "error": {"message": "odd"}},
    ],
)
def test_row_a_sent_with_an_id_is_accepted(status: int, body: object) -> None:
    assert judged(status, body) == Accepted(message_id="wamid.AAA")


@pytest.mark.parametrize("message_id", ["true_15551230000@c.us_3EB0", "gBGG", "wamid.HBg=", "WAMID.hbg"])
def test_an_id_is_opaque_and_case_sensitive(message_id: str) -> None:
    assert judged(200, {"sent": True, "id": message_id}) == Accepted(message_id=message_id)


@pytest.mark.parametrize("sent", [False, "false", "False", 0])
def test_row_b_sent_false_is_rejected_by_its_text(sent: object) -> None:
    outcome = refused(200, {"sent": sent, "message": "Dialog window is closed"})
    assert (outcome.reason, outcome.remedy, outcome.error_code) == ("outside_window", Remedy.MESSAGE, 131047)
    assert outcome.error == "Dialog window is closed"


@pytest.mark.parametrize(
    ("body", "code", "reason", "remedy"),
    [
        ({"message": "outside window", "error": {"code": 131047}}, 131047, "outside_window", Remedy.MESSAGE),
        ({"error": META}, 132000, "wrong_variables", Remedy.CHANNEL),
        ({"error": {"error_code": "131049"}}, 131049, "marketing_limit", Remedy.DAY),
        ({"error": {"code": 131056, "error_code": 131049}}, 131056, "pair_rate_limited", Remedy.PAIR),
        ({"error": {"code": 131050}, "code": 131056}, 131050, "opted_out", Remedy.OPT_OUT),
        ({"code": 131026}, 131026, "unreachable", Remedy.RECIPIENT),
        ({"code": "368"}, 368, "account_restricted", Remedy.CHANNEL),
        ({"message": "(#130429) Rate limit hit"}, 130429, "rate_limited", Remedy.SLOW),
        ({"message": "error 131047 happened"}, 131047, "outside_window", Remedy.MESSAGE),
        ({"error": "(#131016) Service unavailable"}, 131016, "provider_unavailable", Remedy.TRANSIENT),
        ({"message": "Healthy ecosystem engagement"}, 131049, "marketing_limit", Remedy.DAY),
        ({"error": {"code": 999999, "message": "new"}}, 999999, "unknown_error", Remedy.MESSAGE),
        ({"message": "whatever"}, None, "unknown_error", Remedy.MESSAGE),
        ({}, None, "unknown_error", Remedy.MESSAGE),
        ({"code": 200, "message": "whatever"}, None, "unknown_error", Remedy.MESSAGE),
        ({"code": 0, "message": "whatever"}, None, "unknown_error", Remedy.MESSAGE),
        ({"code": 429, "message": "too many requests"}, None, "rate_limited", Remedy.SLOW),
        ({"error": {"code": 200}}, 200, "provider_permission", Remedy.CHANNEL),
        ({"error": {"code": True}}, None, "unknown_error", Remedy.MESSAGE),
    ],
)
def test_a_refusal_is_classified_by_code_then_by_text(
    body: dict[str, object], code: int | None, reason: str, remedy: Remedy
) -> None:
    outcome = refused(200, {"sent": False, **body})
    assert (outcome.error_code, outcome.reason, outcome.remedy) == (code, reason, remedy)


def test_template_refusal_is_distinguished_from_channel_refusal() -> None:
    assert refused(200, {"sent": False, "error": {"code": 132015}}).template
    assert not refused(200, {"sent": False, "error": {"code": 131031}}).template


def test_refusal_has_every_explanation_once() -> None:
    error = {"error_user_title": "Title", "error_user_msg": "Words", "message": "M", "error_data": {"details": "D"}}
    outcome = refused(200, {"sent": False, "message": "First", "error": {**error, "title": "First"}})
    assert outcome.error == "First: Title: Words: M: D"


@pytest.mark.parametrize("status", [200, 202, 400, 422, 429])
@pytest.mark.parametrize("job", ["12345", 12345, 0])
def test_row_c_a_job_id_is_queued_and_unknown(status: int, job: object) -> None:
    outcome = judged(status, {"sent": False, "jobId": job, "message": "queued"})
    assert isinstance(outcome, Unknown)
    assert outcome.reason == "queued"


@pytest.mark.parametrize("job", [None, "", False])
def test_empty_job_id_is_no_job(job: object) -> None:
    assert refused(200, {"sent": False, "jobId": job, "message": "no"}).reason == "unknown_error"


@pytest.mark.parametrize(
    ("status", "body", "reason", "remedy"),
    [
        (400, {"message": "template is not defined"}, "template_not_defined", Remedy.CHANNEL),  # row D
        (400, {"message": "some words"}, "bad_request", Remedy.MESSAGE),
        (400, b"some words", "bad_request", Remedy.MESSAGE),
        (400, {"error": {"code": 131049}}, "marketing_limit", Remedy.DAY),
        (401, {"error": 'Wrong token "abc"'}, "credential", Remedy.CHANNEL),  # row E
        (401, b"", "credential", Remedy.CHANNEL),
        (403, b"Channel is on trial", "channel_blocked", Remedy.CHANNEL),  # row F
        (403, {"error": {"code": 131049}}, "channel_blocked", Remedy.CHANNEL),
        (403, b"<html>no</html>", "channel_blocked", Remedy.CHANNEL),
        (404, b"Not Found", "wrong_address", Remedy.CHANNEL),  # row G
        (404, {"message": "template welcome_1 was not found"}, "template_missing", Remedy.CHANNEL),
        (422, {"errors": ["?"]}, "unprocessable", Remedy.CHANNEL),  # row H
        (422, b"namespace", "unprocessable", Remedy.CHANNEL),
        (422, {"error": META}, "wrong_variables", Remedy.CHANNEL),
        (429, {"message": "rate limit"}, "rate_limited", Remedy.SLOW),  # row I
        (429, b"<html>slow down</html>", "rate_limited", Remedy.SLOW),
        (429, b"", "rate_limited", Remedy.SLOW),
        (429, {"error": {"code": 131056}}, "pair_rate_limited", Remedy.PAIR),
    ],
)
def test_rows_d_to_i_are_explicit_refusals(status: int, body: object, reason: str, remedy: Remedy) -> None:
    outcome = refused(status, body)
    assert (outcome.reason, outcome.remedy) == (reason, remedy)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
@pytest.mark.parametrize(
    "body", [b"", b"<html>502</html>", {"sent": False, "message": "no"}, {"sent": True, "id": "wamid.A"}]
)
def test_row_j_a_broken_server_is_unknown_whatever_it_says(status: int, body: object) -> None:
    outcome = judged(status, body)
    assert isinstance(outcome, Unknown)
    assert outcome.reason == "server_error"


@pytest.mark.parametrize("status", [200, 201, 400, 422])
def test_row_j_a_page_in_place_of_json_is_unknown(status: int) -> None:
    outcome = judged(status, b"\n<!DOCTYPE html><p>Maintenance 15551230000</p>", {"content-type": "text/html"})
    assert outcome == Unknown(reason="unreadable_answer", error="an HTML page")


@pytest.mark.parametrize(
    "body", [b"", b"OK", b"[]", b"null", b'"sent"', b'{"sent": true,', b"\xff\xfe\x00", b"[" * 9999]
)
def test_row_j_json_that_is_no_object_is_unknown(body: bytes) -> None:
    outcome = judged(200, body)
    assert isinstance(outcome, Unknown)
    assert outcome.reason == "unreadable_answer"


@pytest.mark.parametrize("error", ["no such template", {"message": "no", "code": 132001}])
def test_row_k_an_error_within_response_is_a_refusal(error: object) -> None:
    outcome = refused(200, {"response": {"error": error}})
    assert outcome.reason == ("template_missing" if isinstance(error, dict) else "unknown_error")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"sent": True}, "no_id"),
        ({"sent": True, "id": ""}, "no_id"),
        ({"sent": True, "id": None}, "no_id"),
        ({"sent": True, "id": " \n"}, "no_id"),
        ({"sent": True, "id": "a\u0000b"}, "no_id"),
        ({"sent": True, "id": "x" * 513}, "no_id"),
        ({"sent": True, "id": {"id": "wamid.A"}}, "no_id"),
        ({"sent": True, "response": {"error": "x"}}, "no_id"),
        ({}, "no_verdict"),
        ({"id": "wamid.A"}, "no_verdict"),
        ({"sent": None, "id": "wamid.A"}, "no_verdict"),
        ({"sent": "maybe", "message": "no"}, "no_verdict"),
        ({"error": {"message": "no", "code": 132001}}, "no_verdict"),
        ({"sent": False, "id": "wamid.A", "message": "no"}, "contradictory"),
    ],
)
def test_row_l_sent_without_an_id_or_no_verdict_is_unknown(body: object, reason: str) -> None:
    outcome = judged(200, body)
    assert isinstance(outcome, Unknown)
    assert outcome.reason == reason


@pytest.mark.parametrize("status", [100, 204, 301, 307, 402, 405, 408, 409, 410, 413, 418, 425, 499])
def test_undocumented_status_is_unknown(status: int) -> None:
    outcome = judged(status, b"")
    assert isinstance(outcome, Unknown)
    assert outcome.reason == ("unreadable_answer" if status == 204 else "unexpected_status")


def test_refusal_with_sent_true_is_unknown() -> None:
    assert judged(400, {"sent": True, "id": "wamid.A"}) == Unknown(reason="contradictory")


@pytest.mark.parametrize(
    ("header", "span"),
    [
        ("30", 30 * SECOND),
        ("0", 0),
        (" 5 ", 5 * SECOND),
        (datetime.fromtimestamp(NOW / 1000 + 90, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT"), 90 * SECOND),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2015 07:28:00", 0),
        ("9" * 40, MAX_RETRY_AFTER),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("²", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str, span: int | None) -> None:
    outcome = refused(429, {"message": "rate limit"}, {"retry-AFTER": header})
    assert outcome.retry_after == span


def test_rule_sets_the_minimum_wait() -> None:
    assert refused(200, {"sent": False, "error": {"code": 131049}}).retry_after == DAY
    assert refused(400, {"error": {"code": 134101}}, {"Retry-After": "5"}).retry_after == 10 * MINUTE
    assert refused(400, {"error": {"code": 134101}}, {"Retry-After": "7200"}).retry_after == 2 * HOUR


def test_body_of_401_is_never_repeated() -> None:
    outcome = refused(401, {"error": 'Wrong token "abc" for channel "CH1"'})
    assert outcome.error == "1MSG does not take the token"


def test_numbers_tokens_and_sent_texts_are_masked() -> None:
    told = {
        "sent": False,
        "message": "Maria at +1 (555) 123-0000 / 15551230000@c.us: code 131026, token=abc.def, Bearer xyz, wamid."
        "HBgLMTU1NTEyMzAwMDAVAgARGBI5QTNDQTVCM0Q0Q0Q2RTY3RTcA " + "long " * 200,
    }
    outcome = outcome_of_response(200, JSON, json.dumps(told).encode(), now=NOW, hide=("Maria",))
    assert isinstance(outcome, Rejected)
    assert outcome.error is not None
    for hidden in ("Maria", "555", "abc", "xyz", "HBgL"):
        assert hidden not in outcome.error
    assert "131026" in outcome.error
    assert len(outcome.error) == MAX_CHARACTERS


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("name", ["Ana (#190)", "Unauthorized", "Rate Limit Ana", "(#131031) Ana", "131042 Ana"])
@pytest.mark.parametrize("form", ['Invalid parameter value "{}"', "cannot send to {}", "(#123456) bad text: {}"])
def test_a_name_that_is_quoted_decides_nothing(status: int, name: str, form: str) -> None:
    def judge(quoted: str) -> Outcome:
        told = {"sent": False, "message": form.format(quoted)}
        return outcome_of_response(status, JSON, json.dumps(told).encode(), now=NOW, hide=(name,))

    assert judge(name.upper()) == judge("…")


def test_an_error_keeps_its_meaning_beside_a_name() -> None:
    told = {"sent": False, "message": 'Ana (#190): "Ana (#190)" (#132000)'}
    outcome = outcome_of_response(200, JSON, json.dumps(told).encode(), now=NOW, hide=("Ana (#190)",))
    assert isinstance(outcome, Rejected)
    assert (outcome.reason, outcome.error_code) == ("wrong_variables", 132000)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
odd = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["code", "error_code", "message", "error_data", "details", "error"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)
bodies = st.binary(max_size=200) | st.dictionaries(
    st.sampled_from(["sent", "id", "jobId", "message", "error", "code", "response", "other"]), odd, max_size=8
).map(lambda body: json.dumps(body).encode())
statuses = st.sampled_from([200, 201, 204, 302, 400, 401, 403, 404, 408, 422, 429, 500, 503]) | st.integers(100, 599)
headers = st.dictionaries(st.sampled_from(["Retry-After", "Content-Type", "X"]), st.text(max_size=40), max_size=3)


@given(statuses, headers, bodies)
@example(400, {}, b'{"message": "\\ud7fc"}')  # a character that is none
def test_any_answer_has_an_outcome(status: int, headers: dict[str, str], body: bytes) -> None:
    outcome = outcome_of_response(status, headers, body, now=NOW)
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    said = said if isinstance(said, dict) else {}
    success = 200 <= status < 300
    if isinstance(outcome, Accepted):
        assert success
        assert said["sent"] in (True, "true", "True", "TRUE", 1, "1")
        assert outcome.message_id == str(said["id"])
    if isinstance(outcome, Rejected):
        assert success or status in (400, 401, 403, 404, 422, 429)
        job = said.get("jobId")
        assert job is None or job is False or job == ""
        assert said.get("sent") is not True
        assert not success or said.get("sent") is not None or said["response"]["error"]
        assert outcome.error is None or (0 < len(outcome.error) <= MAX_CHARACTERS and outcome.error.isprintable())
        assert outcome.retry_after is None or 0 <= outcome.retry_after <= MAX_RETRY_AFTER


@given(st.text(max_size=500))
def test_any_refusal_text_can_be_stored(text: str) -> None:
    outcome = refused(200, {"sent": False, "message": text})
    assert "\x00" not in (outcome.error or "").encode().decode()
    assert outcome.reason
