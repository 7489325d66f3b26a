"""Whether anything can be sent, and why not."""

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from consumer.deliver.channel.sending_state import (
    PAUSED,
    SendingMonitor,
    SendingProblem,
    problem_of_breaker,
    problem_of_call,
    problem_of_status,
    problem_of_templates,
)
from consumer.deliver.channel.template_status import TemplateStatus, TemplateStatuses
from consumer.ledger.schema.rows import ChannelRow
from consumer.metrics import DeliverMetrics
from consumer.onemsg.api_errors import ApiErrorKind, OneMsgError
from consumer.onemsg.client import ChannelStatus
from consumer.onemsg.templates.preflight import RequiredTemplate, TemplateProblem
from consumer.reasons.catalogue import GROUPS

ONE, TWO = (RequiredTemplate(name=name, namespace="ns", language="en") for name in ("one", "two"))
GONE = TemplateProblem(reason="template_missing", text="template one does not exist", advice="create it")


def statuses(*broken: RequiredTemplate) -> TemplateStatuses:
    found = TemplateStatuses()
    for each in broken:
        found.put(each, TemplateStatus(problem=GONE))
    return found


@pytest.mark.parametrize("kind", ApiErrorKind)
def test_failed_call_is_named_with_what_to_do(kind: ApiErrorKind) -> None:
    problem = problem_of_call(OneMsgError(kind, "it failed"))
    assert problem.text.startswith("1MSG: it failed: ")
    assert any(problem.reason in group.reasons for group in GROUPS), "docs/reasons.md explains it"


def test_channel_that_is_not_connected() -> None:
    assert problem_of_status(ChannelStatus("connected")) is None
    problem = problem_of_status(ChannelStatus("disconnected"))
    assert problem is not None
    assert problem.reason == "not_connected"


def test_open_breaker_is_told_with_what_to_do() -> None:
    assert problem_of_breaker(ChannelRow("whatsapp")) is None
    problem = problem_of_breaker(ChannelRow("whatsapp", stopped_because="payment_problem", error="131042"))
    assert problem == SendingProblem(
        "payment_problem", "sending is stopped: payment_problem: 131042: Settle the billing of the account."
    )


def test_templates_block_only_if_none_of_them_can_be_sent() -> None:
    assert problem_of_templates([ONE, TWO], statuses(ONE), {}, "whatsapp") is None
    problem = problem_of_templates([ONE, TWO], statuses(ONE, TWO), {}, "whatsapp")
    assert problem is not None
    assert problem.reason == "template_unusable"
    refused = {"whatsapp/two/en": ChannelRow("whatsapp/two/en", stopped_because="template_paused")}
    problem = problem_of_templates([ONE, TWO], statuses(ONE), refused, "whatsapp")
    assert problem is not None
    assert "template one does not exist: create it; template two (en) is refused: template_paused" in problem.text


def test_template_that_one_list_did_not_show_is_told_at_once() -> None:
    found = TemplateStatuses()
    found.put(ONE, TemplateStatus(doubt=GONE, misses=1))
    assert found.of(ONE).usable, "and still counts as usable: a page may have been missing"
    assert problem_of_templates([ONE], found, {}, "whatsapp") is not None


def test_monitor_logs_changes_and_shows_the_present_reason() -> None:
    registry = CollectorRegistry()
    monitor = SendingMonitor(DeliverMetrics(registry))

    def shown(reason: str) -> float | None:
        return registry.get_sample_value("lapse_sending_blocked", {"reason": reason})

    with capture_logs() as lines:
        monitor.report(None)
        for text in ("a", "b"):
            monitor.report(SendingProblem("credential", text))
        assert shown("credential") == 1
        monitor.report(SendingProblem(PAUSED, "c"))
        assert (shown("credential"), shown("paused")) == (0, 1)
        monitor.report(None)
    assert shown("paused") == 0
    told = [(line["event"], line["log_level"]) for line in lines]
    assert told == [("sending_blocked", "error"), ("sending_blocked", "info"), ("sending_possible", "info")]
