"""The registry is asked beside the loop: each id once, seldom while it is away, not at all for what are no ids."""

from collections.abc import Callable

import pytest
import structlog.testing

from consumer.activity.avro.batch_reader import AvroReader
from consumer.activity.decoder import ActivityDecoder
from consumer.activity.errors import BadRecord, RegistryUnavailable
from consumer.activity.schemas.avro_schema import WriterSchema
from consumer.activity.schemas.background_registry import BackgroundRegistry
from consumer.activity.schemas.framing import registry_header
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import MINUTE, SECOND, ManualClock

from .writing import FIELDS, at_noon, body, event, reasons, record, users

PLAIN = record(FIELDS)


class Registry:
    """Has one schema, and notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.problem: str | None = None
        self.known = 7

    def find(self, schema_id: int) -> WriterSchema | None:
        self.asked.append(schema_id)
        if self.problem:
            raise RegistryUnavailable(self.problem)
        if schema_id == 13:
            raise BadRecord("incompatible_schema", "x has no type")
        return PLAIN if schema_id == self.known else None


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def background(registry: Registry, clock: ManualClock) -> BackgroundRegistry:
    """Its thread's work is done by hand; waiting for it is in vain."""
    background = BackgroundRegistry(registry, clock, start=lambda run: None)
    with pytest.raises(RegistryUnavailable):
        background.find(0)  # whoever comes first waits for a moment
    background.look_up_next()
    registry.asked.clear()
    return background


def test_the_answer_is_there_once_the_thread_has_asked(background: BackgroundRegistry, registry: Registry) -> None:
    for _ in range(3):
        with pytest.raises(RegistryUnavailable, match="has not answered yet what schema 7 is") as caught:
            background.find(7)
        assert caught.value.retry_after_ms == 50
    background.look_up_next()
    assert background.find(7) is PLAIN
    background.look_up_next()
    assert registry.asked == [7], "nothing else is wanted"


def test_a_schema_that_is_unusable_stays_so(background: BackgroundRegistry, registry: Registry) -> None:
    background.request([13])
    background.look_up_next()
    for _ in range(3):
        with pytest.raises(BadRecord, match="x has no type"):
            background.find(13)
    assert registry.asked == [13]


def test_an_id_that_is_absent_is_asked_again_later_and_nobody_waits_for_that(
    background: BackgroundRegistry, registry: Registry, clock: ManualClock
) -> None:
    background.request([8])
    background.look_up_next()
    assert background.find(8) is None
    clock.advance(10 * SECOND)
    assert background.find(8) is None
    background.look_up_next()
    background.look_up_next()
    assert registry.asked == [8, 8]


def test_a_registry_that_refuses_is_asked_less_and_less_often(
    background: BackgroundRegistry, registry: Registry, clock: ManualClock
) -> None:
    registry.problem = "the Schema Registry answered 403: check schema_registry.user"
    waits = []
    with structlog.testing.capture_logs() as log:
        for _ in range(9):
            with pytest.raises(RegistryUnavailable) as caught:
                background.find(7)
            waits.append(caught.value.retry_after_ms)
            clock.advance(caught.value.retry_after_ms)
            background.look_up_next()
    assert waits == [50, *[2**n * SECOND for n in range(6)], MINUTE, MINUTE]
    assert str(caught.value) == registry.problem
    assert len(registry.asked) == len(log) == 9
    registry.problem = None
    clock.advance(MINUTE)
    background.look_up_next()
    assert background.find(7) is PLAIN


def test_an_id_that_cannot_be_answered_keeps_no_other_waiting(
    background: BackgroundRegistry, registry: Registry, clock: ManualClock
) -> None:
    background.request([12, 7])  # whoever asks for 12 gets a 500
    registry.problem = "the Schema Registry answered 500: try again later"
    background.look_up_next()
    registry.problem = None
    clock.advance(MINUTE)
    background.look_up_next()
    assert background.find(7) is PLAIN
    background.look_up_next()
    assert registry.asked == [12, 7, 12]


def test_between_two_attempts_nobody_asks(
    background: BackgroundRegistry, registry: Registry, clock: ManualClock
) -> None:
    registry.problem = "silence"
    for _ in range(50):
        with pytest.raises(RegistryUnavailable):
            background.find(7)
        background.look_up_next()
    assert registry.asked == [7]


def test_values_with_thousands_of_ids_are_no_reason_to_ask_thousands_of_times(
    background: BackgroundRegistry, registry: Registry, clock: ManualClock
) -> None:
    decoder = ActivityDecoder(AvroReader(WriterSchemas(clock, background)))
    registry.known = 9_000
    good = registry_header(9_000) + body(PLAIN, event())
    values = [good, *(registry_header(n) + b"foreign" for n in range(1_000, 6_000)), good]
    with pytest.raises(RegistryUnavailable):
        at_noon(decoder, values)
    for _ in range(300):
        background.look_up_next()
    decoded = at_noon(decoder, values)
    assert users(decoded) == ["ann", "ann"]
    assert reasons(decoded) == dict.fromkeys(range(1, 5_001), "unknown_schema")
    assert len(registry.asked) == 102, "the first, the known one, and a hundred"
    clock.advance(MINUTE)
    background.request([999])
    background.look_up_next()
    assert registry.asked[-1] == 999


def test_a_thread_of_its_own_asks_and_the_first_answer_is_waited_for(registry: Registry, clock: ManualClock) -> None:
    assert BackgroundRegistry(registry, clock).find(7) is PLAIN


def test_an_error_is_told_to_whoever_waits(registry: Registry, clock: ManualClock) -> None:
    registry.problem = "silence"
    runs: list[Callable[[], None]] = []
    background = BackgroundRegistry(registry, clock, start=runs.append)
    background.request([7])
    background.look_up_next()
    with pytest.raises(RegistryUnavailable, match="silence") as caught:
        background.find(7)
    assert (caught.value.retry_after_ms, len(runs)) == (SECOND, 1)
