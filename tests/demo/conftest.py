"""A real embedded broker and a real codec, for the tests of this room."""

from collections.abc import Iterator

import pytest

from consumer.activity.record_codec import RecordCodec
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import SystemClock
from consumer.demo.broker import embedded_broker


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with embedded_broker(("busy", "busy-contacts", "ending", "ending-contacts")) as address:
        yield address


@pytest.fixture
def codec() -> RecordCodec:
    return RecordCodec(WriterSchemas(SystemClock()))
