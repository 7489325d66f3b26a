"""E-mails to a real SMTP server: headers, refusals, and unknown outcomes."""

import asyncio
import email
import email.policy
import ssl
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from consumer.clock import MINUTE
from consumer.commands.check.fallback import check_mail
from consumer.config.sections.fallback import EmailFallbackSettings
from consumer.email_address import normalize_email
from consumer.media.mail_message import Mail, MailWriter
from consumer.media.smtp import SmtpClient, classify_refusal
from consumer.media.text_template import FallbackText
from consumer.onemsg.outcomes import Accepted, NotTransmitted, Outcome, Rejected, Remedy, Unknown
from consumer.onemsg.templates.parameters import safe_parameter

from .conftest import HOST, Post, Serve, only

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
TEXTS = st.one_of(
    st.text(max_size=80),
    st.builds(
        "=?{}?{}?{}?=".format,
        st.sampled_from(["utf-7", "utf-8", "idna", "x"]),
        st.sampled_from("qb"),
        st.text(max_size=20),
    ),
)
HEADERS = {
    *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"),
    *("MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
}
LETTER = FallbackText(
    reminder_id="6f1f2b4e",
    user_id="maria/1",
    process="account-setup",
    step=0,
    lapsed_at=0,
    name="Maria",
    action="account setup",
    email="maria@example.com",
)


def configured(port: int, **more: Any) -> EmailFallbackSettings:
    return EmailFallbackSettings.model_validate(
        {
            "host": HOST,
            "port": port,
            "tls": "none",
            "from": "Shop <no-reply@shop.example>",
            "subject": "{name}, {action} waits",
            "text": "Hello {name},\n.\n{action}: {link}\n",
            "link": "https://shop.example/{process}?u={user_id}",
            "timeout": "5s",
            **more,
        }
    )


def written(settings: EmailFallbackSettings, letter: FallbackText = LETTER) -> Mail:
    return MailWriter(settings)(letter, 1_767_571_200_000)


def send(post: Post, said: str | None = None, context: ssl.SSLContext | None = None, **more: Any) -> Outcome:
    settings = configured(post.port, **more)
    return asyncio.run(SmtpClient(settings, said, context).send_template(written(settings)))


def read(post: Post) -> Any:
    (envelope,) = post.taken
    return email.message_from_bytes(envelope.content, policy=email.policy.default)


def test_email_arrives_with_all_headers(serve: Serve) -> None:
    post = serve()
    more: dict[str, Any] = {
        "reply_to": "help@shop.example",
        "unsubscribe": ["https://shop.example/u", "mailto:u@shop.example"],
    }
    assert send(post, **more) == Accepted(message_id="<6f1f2b4e@shop.example>")
    message = read(post)
    assert (post.taken[0].mail_from, post.taken[0].rcpt_tos) == ("no-reply@shop.example", ["maria@example.com"])
    assert message["From"] == "Shop <no-reply@shop.example>"
    assert message["Subject"] == "Maria, account setup waits"
    assert message["List-Unsubscribe"] == "<https://shop.example/u>, <mailto:u@shop.example>"
    assert message["Reply-To"] == "help@shop.example"
    assert message["Message-ID"] == "<6f1f2b4e@shop.example>"
    body = "Hello Maria,\n.\naccount setup: https://shop.example/account-setup?u=maria%2F1\n"
    assert message.get_content().replace("\r\n", "\n") == body


@pytest.mark.parametrize("name", ["Máría 😀", "名前", "a" * 60, "{action}", "<script>", '"; DROP'])
def test_any_name_arrives_as_text(serve: Serve, name: str) -> None:
    post = serve()
    settings = configured(post.port)
    letter = FallbackText(**{field: getattr(LETTER, field) for field in LETTER.__dataclass_fields__} | {"name": name})
    outcome = asyncio.run(SmtpClient(settings, None).send_template(written(settings, letter)))
    assert isinstance(outcome, Accepted)
    assert read(post)["Subject"] == f"{name}, account setup waits"
    assert f"Hello {name}," in read(post).get_content()


def test_name_cannot_add_headers_or_recipients() -> None:
    """Names come without line breaks; were one to bring them, they end up as spaces."""
    letter = FallbackText(
        **{field: getattr(LETTER, field) for field in LETTER.__dataclass_fields__}
        | {"name": "Eve\r\nBcc: all@example.com\r\n\r\nBuy"}
    )
    message = email.message_from_bytes(written(configured(25), letter).content, policy=email.policy.default)
    assert message["Bcc"] is None
    assert message["Subject"] == "Eve Bcc: all@example.com Buy, account setup waits"


@pytest.mark.parametrize(
    ("stage", "words", "reason", "remedy"),
    [
        ("at_recipient", "550 5.1.1 <maria@example.com>: user unknown", "unreachable", Remedy.RECIPIENT),
        ("at_recipient", "552 5.2.2 mailbox full", "unreachable", Remedy.RECIPIENT),
        ("at_recipient", "550 no such user", "unreachable", Remedy.RECIPIENT),
        ("at_recipient", "552 mailbox is over quota", "unreachable", Remedy.RECIPIENT),
        ("at_recipient", "550 5.7.1 blocked by a list", "refused_by_policy", Remedy.MESSAGE),
        ("at_recipient", "550 5.7.1 relaying denied", "sender_refused", Remedy.CHANNEL),
        ("at_recipient", "554 5.7.1 <maria@example.com>: Relay access denied", "sender_refused", Remedy.CHANNEL),
        ("at_recipient", "550 5.1.8 sender address rejected", "sender_refused", Remedy.CHANNEL),
        ("at_recipient", "550 5.4.5 Daily user sending quota exceeded", "quota_exceeded", Remedy.CHANNEL),
        (
            "at_data",
            "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
            "sender_refused",
            Remedy.CHANNEL,
        ),
        ("at_data", "554 Message rejected: Email address is not verified.", "sender_refused", Remedy.CHANNEL),
        ("at_data", "554 Sending limit exceeded", "quota_exceeded", Remedy.CHANNEL),
        ("at_recipient", "451 4.7.1 greylisted, come back", "try_later", Remedy.TRANSIENT),
        ("at_recipient", "530 5.7.0 authentication required", "credential", Remedy.CHANNEL),
        ("at_sender", "550 5.1.8 bad sender", "sender_refused", Remedy.CHANNEL),
        ("at_sender", "452 4.3.1 no room", "try_later", Remedy.TRANSIENT),
        ("at_data", "554 5.6.0 looks odd", "refused", Remedy.MESSAGE),
        ("at_data", "550 5.1.1 gone", "unreachable", Remedy.RECIPIENT),
        ("at_data", "451 4.3.0 later", "try_later", Remedy.TRANSIENT),
    ],
)
def test_refusal_is_classified_by_code_and_text(
    serve: Serve, stage: str, words: str, reason: str, remedy: Remedy
) -> None:
    post = serve()
    setattr(post, stage, words)
    outcome = send(post)
    assert isinstance(outcome, Rejected)
    assert (outcome.reason, outcome.remedy, outcome.error_code) == (reason, remedy, int(words[:3]))
    assert outcome.retry_after == (5 * MINUTE if remedy is Remedy.TRANSIENT else None)
    assert "maria" not in str(outcome.error)
    assert post.taken == []


def test_connection_lost_after_data_is_unknown(serve: Serve) -> None:
    post = serve()
    post.hangs_up = True
    outcome = send(post)
    assert isinstance(outcome, Unknown)
    assert outcome.reason == "reset"


def test_timeout_after_data_is_unknown(serve: Serve) -> None:
    post = serve()

    async def silent(server: Any, session: Any, envelope: Any) -> str:
        await asyncio.sleep(30)
        return "250 OK"

    post.handle_DATA = silent  # type: ignore[method-assign]
    outcome = send(post, timeout="300ms")
    assert outcome == Unknown(reason="timeout", error=outcome.error if isinstance(outcome, Unknown) else None)


@pytest.mark.parametrize(
    "answer", ["252 taken", "200 taken", "199 taken", "300 taken", "600 taken", "OK queued", "", "250 " + 9_000 * "x"]
)
def test_email_that_the_server_has_is_not_sent_again_unless_it_says_no(serve: Serve, answer: str) -> None:
    post = serve()
    post.says_after_taking = answer
    outcome = send(post)
    assert isinstance(outcome, Unknown)
    assert outcome.reason == "unreadable_answer"
    assert len(post.taken) == 1


@pytest.mark.parametrize("answer", ["OK", "199 wait", "252 perhaps", "600 no"])
def test_answer_that_says_neither_before_the_content_is_not_transmitted(serve: Serve, answer: str) -> None:
    post = serve()
    post.at_recipient = answer
    assert isinstance(send(post), NotTransmitted)
    assert post.taken == []


def test_unreachable_server_is_not_transmitted(serve: Serve) -> None:
    post = serve()
    settings = configured(1)
    outcome = asyncio.run(SmtpClient(settings, None).send_template(written(settings)))
    assert isinstance(outcome, NotTransmitted)
    assert outcome.reason == "connect"
    nowhere = configured(post.port, host="no.such.host.invalid")
    outcome = asyncio.run(SmtpClient(nowhere, None).send_template(written(nowhere)))
    assert isinstance(outcome, NotTransmitted)
    assert outcome.reason == "name_resolution"


def test_starttls_and_login_are_used(serve: Serve, certificate: Contexts) -> None:
    server, client = certificate
    post = serve(tls_context=server, require_starttls=True, authenticator=only("lapse", "s3cret"), auth_required=True)
    login = {"tls": "starttls", "user": "lapse", "password": {"env": "P"}}
    assert isinstance(send(post, "s3cret", client, **login), Accepted)
    wrong = send(post, "wrong", client, **login)
    assert isinstance(wrong, Rejected)
    assert (wrong.reason, wrong.remedy) == ("credential", Remedy.CHANNEL)
    assert "wrong" not in str(wrong.error)


def test_implicit_tls_is_used(serve: Serve, certificate: Contexts) -> None:
    server, client = certificate
    post = serve(ssl_context=server)
    assert isinstance(send(post, None, client, tls="implicit"), Accepted)


def test_invalid_certificate_or_missing_tls_sends_nothing(serve: Serve, certificate: Contexts) -> None:
    post = serve(tls_context=certificate[0])
    outcome = send(post, tls="starttls")  # without the context that trusts it
    assert isinstance(outcome, NotTransmitted)
    assert outcome.reason == "tls"
    plain = serve()
    refused = send(plain, tls="starttls")
    assert isinstance(refused, Rejected | NotTransmitted)
    assert post.taken == plain.taken == []


def test_status_checks_the_login_without_sending(serve: Serve) -> None:
    post = serve()
    assert asyncio.run(SmtpClient(configured(post.port), None).status()).connected
    assert not asyncio.run(SmtpClient(configured(1), None).status()).connected
    assert post.taken == []


def test_check_mail_reports_login_or_advice(serve: Serve, certificate: Contexts) -> None:
    post = serve()
    told = asyncio.run(check_mail(configured(post.port), None))
    assert str(told) == f"✓ e-mail: {HOST}:{post.port} accepts the login"
    told = asyncio.run(check_mail(configured(1), None))
    assert str(told).startswith(f"✗ e-mail: {HOST}:1 (SMTPConnectError): are fallback.email.host, port and tls right")
    locked = serve(tls_context=certificate[0], require_starttls=True)
    assert not asyncio.run(check_mail(configured(locked.port, tls="starttls"), None)).ok  # a certificate nobody trusts


@pytest.mark.parametrize("name", ["=?utf-7?q?+2AA-?=", "=?utf-8?b?QmNjOiBhbGxAZXhhbXBsZS5jb20=?=", "=?x?y?z?="])
def test_encoded_word_in_a_name_stays_text(name: str) -> None:
    letter = FallbackText(**{field: getattr(LETTER, field) for field in LETTER.__dataclass_fields__} | {"name": name})
    message = email.message_from_bytes(written(configured(25), letter).content, policy=email.policy.default)
    assert message["Subject"] == f"{name}, account setup waits"
    assert set(message.keys()) <= HEADERS
    assert f"Hello {name}," in message.get_content()


@pytest.mark.slow
@given(st.from_regex(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9]+)*", fullmatch=True), TEXTS, TEXTS)
def test_any_valid_name_and_action_can_be_encoded(local: str, name: str, action: str) -> None:
    """A letter that could not be written would stand in the way of all the others."""
    address = normalize_email(f"{local}@example.com")
    safe_name, safe_action = safe_parameter(name), safe_parameter(action)
    if address and safe_name and safe_action:
        changed = {"email": address, "name": safe_name, "action": safe_action}
        letter = FallbackText(**{field: getattr(LETTER, field) for field in LETTER.__dataclass_fields__} | changed)
        message = email.message_from_bytes(written(configured(25), letter).content, policy=email.policy.default)
        assert message["To"] == address
        assert set(message.keys()) <= HEADERS


def test_refusal_without_enhanced_code_is_classified_by_stage() -> None:
    assert classify_refusal(550, "no", "recipient").reason == "unreachable"
    assert classify_refusal(554, "no", "data").reason == "refused"
    assert classify_refusal(503, "bad sequence", "data").remedy is Remedy.CHANNEL
    assert classify_refusal(454, "4.7.8 later", "recipient").reason == "credential"


@pytest.mark.parametrize(
    "words",
    [
        "<{to}>: no such user here",
        "<{to}>... User unknown",
        "No such user: {to}",
        "{local}: unknown user",
        "{local} is unknown at {domain}",
        "5.1.1 <{to}>: Recipient address rejected: User unknown",
        "no user {to}: see https://{domain}/relay?q={local}",
        "<{to}>: Recipient address rejected: undeliverable: host mx.{domain}[203.0.113.4] said: 550 5.7.8 spf relay",
        "verification failed for <{to}>: response from mx.{domain}: 550 5.7.60 relay",
        "Callback failed while verifying <{to}>\nCalled: 203.0.113.4\nResponse: 550 5.7.8 relay",
        "error from remote mail server after RCPT TO:<{to}>: host mx.{domain}: 550 5.4.5 over quota",
    ],
)
def test_no_address_and_no_other_server_stops_the_channel(words: str) -> None:
    for local in ("relay", "dkim", "quota", "authenticate", "sandbox", "5.7.8", "x5.7.8", "5.4.5"):
        for domain in ("evil.example", "authentication.example", "relay.evil.example"):
            to = f"{local}@{domain}"
            refusal = classify_refusal(550, words.format(to=to, local=local, domain=domain), "recipient", to)
            assert (refusal.reason, refusal.remedy) == ("unreachable", Remedy.RECIPIENT), to


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("5.7.1 <{to}>: Recipient address rejected: Access denied", "refused_by_policy"),
        ("5.7.1 <{to}>: Relay access denied", "sender_refused"),
        ("#5.7.1 relaying denied", "sender_refused"),
        ("5.7.26 Unauthenticated email from shop.example is refused by its DMARC policy", "sender_refused"),
        ("5.4.5 Daily user sending limit exceeded", "quota_exceeded"),
    ],
)
def test_words_of_the_server_itself_count_whatever_it_quotes(words: str, reason: str) -> None:
    to = "maria@relay.example"
    assert classify_refusal(554, words.format(to=to), "recipient", to).reason == reason
