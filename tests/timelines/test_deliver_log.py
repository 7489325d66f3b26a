"""Every decision stands in the log at debug, in the words of the topic, and nothing personal with it."""

from structlog.testing import capture_logs

from .deliver_diary import Diary


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
