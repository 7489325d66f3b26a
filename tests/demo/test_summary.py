"""What is said when the demo ends."""

from consumer.demo.summary import summary
from consumer.demo.tally import Counts, Life
from consumer.demo.verdict import Evidence

LIFE = Life("r1", "u", "read", None, 3, frozenset({"accepted", "read"}), frozenset({"m1"}))
SEEN = Evidence(
    Counts(lapses=4, records=9, statuses={"suppressed": 3, "read": 1}, reasons={("suppressed", "no_opt_in"): 3}),
    (LIFE,),
    ("m1",),
    1,
)


def test_the_summary_tells_the_sums_and_that_all_is_well() -> None:
    assert summary(SEEN, 300, 1_800, 6_240, ()).splitlines() == [
        "300 people, 1800 activities, 4 lapses. Where their reminders stand:",
        "      3  suppressed (3 no_opt_in)",
        "      1  read",
        "Messages taken by 1MSG (the sandbox): 1; of them named in delivery-status: 1",
        "Records read from delivery-status: 9",
        "The first message was taken 6.2 s after the start",
        "",
        "Reminders went out, their fate was read back from delivery-status, and none was sent twice.",
    ]


def test_the_summary_names_everything_that_was_missing() -> None:
    told = summary(Evidence(Counts(), (), (), 0), 300, 0, None, ("no message was sent", "the sky fell"))
    assert told.splitlines()[-3:] == [
        "The demo did not show what it should:",
        "  - no message was sent",
        "  - the sky fell",
    ]
