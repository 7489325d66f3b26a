"""Which endings lead to a fallback, and the checks of each fallback medium."""

from consumer.deliver.lifecycle import Status
from consumer.deliver.policy.fallback import FAILURES, checks_for, may_fall_back
from consumer.onemsg.error_table import BY_CODE
from consumer.onemsg.outcomes import Remedy
from consumer.records import EMAIL, WEBHOOK


def test_reasons_of_the_channel_never_lead_to_a_fallback() -> None:
    """A reason of the whole channel never leads to a fallback, whatever its code."""
    ours = {row.reason for row in BY_CODE.values() if row.remedy in {Remedy.CHANNEL, Remedy.SLOW, Remedy.OPT_OUT}}
    assert ours.isdisjoint(FAILURES)
    assert not any(may_fall_back(status, "unreachable") for status in Status if status not in {"suppressed", "failed"})
    assert not may_fall_back(Status.SUPPRESSED, "opted_out")
    assert not may_fall_back(Status.FAILED, "blocked_by_us")


def test_checks_of_each_fallback_medium() -> None:
    names = [check.__name__ for check in checks_for(EMAIL)]
    assert names[names.index("name_is_known") + 1] == "email_is_good"
    assert "phone_is_good" not in names
    assert [check.__name__ for check in checks_for(WEBHOOK)] == [name for name in names if name != "email_is_good"]
