"""consumer/reasons has every reason that the code can give, and no other."""

import ast
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from consumer.kafka.detect_loop.brake_control import EXPLANATIONS
from consumer.onemsg.error_classification import BY_TEXT
from consumer.onemsg.error_table import BY_CODE
from consumer.onemsg.http import transport_errors
from consumer.reasons import decisions, records, refusals
from consumer.reasons.catalogue import GROUPS

ROOM = Path(__file__).parents[2] / "consumer"
MADE_BY = {
    "Suppress": decisions.SUPPRESSED,
    "Cancel": decisions.CANCELLED,
    "Defer": decisions.DEFERRED,
    "Unknown": decisions.UNKNOWN,
    "OutcomeUnknown": decisions.UNKNOWN,
    "Rejected": refusals.REFUSED,
    "ErrorRule": refusals.REFUSED,
    "_Refusal": refusals.REFUSED,
    "NotTransmitted": refusals.NOT_TRANSMITTED,
    "_Wish": records.OPT_OUTS,
    "opt_out_phone": records.OPT_OUTS,
    "opt_out": records.OPT_OUTS,
    "OptOut": records.OPT_OUTS,
    "ValueProblem": records.DEAD_LETTERS,
    "BadRecord": records.DEAD_LETTERS,
    "RowReader": records.DEAD_LETTERS,
}
"""What takes a reason, and the group in which it has to stand."""

PLACE = {"ErrorRule": 1, "_Wish": 2, "opt_out_phone": 3, "opt_out": 3, "OptOut": 2, "RowReader": 2}
"""Where among its arguments, if not the first."""

ELSEWHERE: tuple[tuple[Mapping[str, object], set[str]], ...] = (
    # lifecycle.py writes these into a Change itself.
    (decisions.ACCEPTED, {"by_operator", "no_report"}),
    (decisions.UNRESOLVED, {"gave_up"}),
    (refusals.REFUSED, {"failed", *(rule.reason for rule in BY_CODE.values()), *(rule.reason for _, rule in BY_TEXT)}),
    (decisions.UNKNOWN, {"reset", *(reason for _, reason in transport_errors._AFTER)}),
    # An e-mail's failures before its DATA are among these: media/smtp.py, `_before`.
    (refusals.NOT_TRANSMITTED, {reason for _, reason in transport_errors._BEFORE}),
    # The pattern of several refusals: policy/failure_pattern.py.
    (refusals.REFUSED, {"repeated_failure"}),
    (decisions.CHANNEL, {"no_answers", "not_reachable", "not_connected"}),
    # A refusal that is kept as an opt-out.
    (records.OPT_OUTS, {"opted_out"}),
    (records.BRAKE, set(EXPLANATIONS)),
)


@cache
def trees() -> list[tuple[Path, ast.Module]]:
    return [
        (path, ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted(ROOM.rglob("*.py"))
        if path.relative_to(ROOM).parts[0] not in ("sandbox", "demo", "reasons")
    ]


def texts(node: ast.expr | None, constants: Mapping[str, str]) -> set[str]:
    """The texts that an argument may have."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    if isinstance(node, ast.IfExp):
        return texts(node.body, constants) | texts(node.orelse, constants)
    return {constants[node.id]} if isinstance(node, ast.Name) and node.id in constants else set()


def constants_of(tree: ast.Module) -> dict[str, str]:
    return {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


@cache
def given() -> Collection[tuple[str, str, str]]:
    return tuple(_given())


def _given() -> Iterator[tuple[str, str, str]]:
    """Each reason that stands in a call: what is called, the reason, and where."""
    for path, tree in trees():
        constants = constants_of(tree)
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name not in MADE_BY:
                continue
            named = next((keyword.value for keyword in node.keywords if keyword.arg == "reason"), None)
            place = PLACE.get(name, 0)
            reason = named or (node.args[place] if len(node.args) > place else None)
            for text in texts(reason, constants):
                yield name, text, f"{path}:{node.lineno}"


def test_every_reason_in_the_code_is_explained() -> None:
    missing = [f"{where}: {name}({reason!r})" for name, reason, where in given() if reason not in MADE_BY[name]]
    missing += [f"{reason} of a table" for group, reasons in ELSEWHERE for reason in reasons - set(group)]
    assert missing == []


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.title)
def test_every_explained_reason_is_given_by_the_code(group: object) -> None:
    reasons = next(each.reasons for each in GROUPS if each is group)
    found = {reason for name, reason, _ in given() if MADE_BY[name] is reasons}
    found |= {reason for which, elsewhere in ELSEWHERE if which is reasons for reason in elsewhere}
    assert set(reasons) - found == set()


def test_the_collector_sees_what_it_is_meant_to() -> None:
    seen = {(name, reason) for name, reason, _ in given()}
    assert {("Suppress", "expired"), ("Cancel", "returned"), ("Cancel", "completed"), ("Unknown", "queued")} <= seen
    assert ("OutcomeUnknown", "ledger_restored") in seen


def test_every_reason_says_what_it_means_and_what_to_do() -> None:
    for group in GROUPS:
        for reason, (meaning, what_to_do) in group.reasons.items():
            assert reason == reason.strip().lower()
            assert meaning.endswith(".")
            assert what_to_do.endswith(".")
