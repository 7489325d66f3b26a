"""What is told of the checks behind a decision agrees with the checks themselves."""

import inspect
import re

import pytest

from consumer.deliver.policy.checks import CHECKS
from consumer.insight.check_answers import QUESTIONS, answers


def test_every_check_has_a_question_and_the_reasons_that_it_gives() -> None:
    assert list(QUESTIONS) == [check.__name__ for check in CHECKS]
    for check in CHECKS:
        given = set(re.findall(r'(?:Cancel|Suppress|Defer)\(\s*"(\w+)"', inspect.getsource(check)))
        assert given == QUESTIONS[check.__name__][1], check.__name__


@pytest.mark.parametrize("reason", ["holdout", "no_contact", "completed", "dry_run"])
def test_the_first_no_decides(reason: str) -> None:
    told = [answer.passed for answer in answers(reason)]
    place = told.index(False)
    assert told == [True] * place + [False] + [None] * (len(CHECKS) - place - 1)
    assert reason in list(QUESTIONS.values())[place][1]


def test_what_was_sent_passed_all_and_other_reasons_are_no_checks() -> None:
    assert {answer.passed for answer in answers(None)} == {True}
    assert list(answers("template_paused")) == []
