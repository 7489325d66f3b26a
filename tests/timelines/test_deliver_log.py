"""Every decision stands in the log at debug, in the words of the topic, and nothing personal with it."""

from structlog.testing import capture_logs

from consumer.clock import HOUR
from consumer.onemsg.outcomes import NotTransmitted, Unknown

from .deliver_diary import TEMPLATE, Diary


def test_decisions_have_the_words_of_the_topic(deliver: Diary) -> None:
    deliver.knows("maria").knows("paul", opt_in=False, name="Paul", phone="+34 677 777 777")
    with capture_logs() as logged:
        deliver.due("maria").due("paul").works().says("paul suppressed no_opt_in", "maria accepted")
    changes = [each for each in logged if each["event"] == "reminder_changed"]
    assert [(each["reminder_id"], each["status"], each["reason"]) for each in changes] == [
        (status.reminder_id, status.status, status.reason) for status in deliver.topic
    ]
    assert {each["log_level"] for each in changes} == {"debug"}
    assert not any(word in str(changes) for word in ("Maria", "Paul", "677"))


def test_everything_about_one_reminder_is_found_by_its_id(deliver: Diary) -> None:
    deliver.lists(TEMPLATE).onemsg.answers = [NotTransmitted(reason="connect"), Unknown(reason="timeout")]
    with capture_logs() as logged:
        deliver.knows("maria").due("maria").works().says("maria rejected connect", "maria deferred retry_later")
        deliver.after(HOUR).detect_is_at().works().says("maria unknown timeout")
        deliver.echoes("wamid.9").works().says("maria accepted")
        deliver.reports("wamid.9", "sent", "sent", "read").works().says("maria sent", "maria read")
    mine = [each for each in logged if each.get("reminder_id") == deliver.topic[0].reminder_id]
    assert [each["event"] for each in mine] == [
        *["reminder_changed"] * 3,  # not transmitted, put off, unknown
        *("unknown_settled", "reminder_changed"),
        *("nothing_changed", "reminder_changed", "reminder_changed"),
    ]
    assert not [each for each in logged if "attempt" in each and "reminder_id" not in each]
