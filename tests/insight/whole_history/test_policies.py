"""What the policies let through, against a plain loop over one lapse after the other."""

from collections import defaultdict
from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from consumer.deliver.policy.frequency_cap import next_allowed
from consumer.detect.lapse_rules import LapseRules, Processes
from consumer.insight.whole_history.lapses import Lapses
from consumer.insight.whole_history.policies import VERDICTS, judge

PROCESSES = Processes(
    LapseRules(
        ladders={"signup": (10, 25), "checkout": (7, 8)},
        allowed_lateness=0,
        settle=0,
        clock_doubt=0,
        hush=0,
        expire_after=20,
        forget_after=200,
    )
)


class Lapse(NamedTuple):
    user: int
    process: int
    step: int
    at: int


lapses = st.lists(st.builds(Lapse, *(st.integers(0, most) for most in (3, 1, 1, 60))), unique=True, max_size=40)
caps = st.dictionaries(st.sampled_from([5, 20, 50]), st.integers(1, 4))


@given(lapses, caps, st.sampled_from([60, 1 << 61]))
def test_verdicts_equal_a_plain_loop(found: list[Lapse], caps: dict[int, int], latest: int) -> None:
    found = [*found, Lapse(9, 0, 0, latest)]
    users, processes, steps, at = (np.array(column, np.int64) for column in zip(*found, strict=True))
    asked = Lapses(users, processes.astype(np.uint16), steps, at, np.zeros_like(users))
    ordered, verdicts = judge(asked, PROCESSES, caps)
    columns = [column.tolist() for column in ordered[:4]]
    judged = {Lapse(*lapse): VERDICTS[place] for *lapse, place in zip(*columns, verdicts.tolist(), strict=True)}
    assert judged == expected(found, caps)


def expected(found: list[Lapse], caps: dict[int, int]) -> dict[Lapse, str]:
    verdicts: dict[Lapse, str] = {}
    sent: defaultdict[int, list[Lapse]] = defaultdict(list)
    for lapse in sorted(found, key=lambda each: (each.at, PROCESSES.names[each.process], each.step)):
        name, before = PROCESSES.names[lapse.process], sent[lapse.user]
        shortest = PROCESSES.rules.ladders[name][0]
        if any(each.process == lapse.process and lapse.at - each.at < shortest for each in before):
            verdicts[lapse] = "too_soon"
        elif next_allowed([each.at for each in before], caps) > lapse.at:
            verdicts[lapse] = "frequency_cap"
        else:
            verdicts[lapse] = "sent"
            before.append(lapse)
    return verdicts
