"""Takes messages from a queue of librdkafka's into columns, in compiled code that holds no lock of Python's.

Nothing of librdkafka's memory outlives a call: what is needed is copied, then each message is given back. Addresses
come from librdkafka alone, and every length is the one that stands beside its address.
"""

import ctypes
from functools import cache
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
from numba import extending
from numba.core import cgutils, types

from consumer.byte_columns.column import ByteColumn, Longs
from consumer.clock import Millis
from consumer.kafka.columns.librdkafka import Library, RawMessage

CHUNK = 5_000
"""Messages taken from the queue at a time: they are still in the processor's cache when they are read."""
_MAX_BYTES = 1 << 26
"""When values need so much memory, no more are taken."""
_NONE = -1
Flag = npt.NDArray[np.bool_]
"""One element, which another thread may set."""
AT_ONCE: Flag = np.ones(1, np.bool_)
_numba: Any = numba
_carray = _numba.carray


class MessageColumns(NamedTuple):
    """Messages in the queue's order, errors among them. `errors` are codes, 0 for a record; the value of an error is
    its text. `timestamps` are ms since the epoch, -1 where unknown."""

    partitions: Longs
    offsets: Longs
    timestamps: Longs
    errors: Longs
    keys: ByteColumn
    values: ByteColumn

    def where(self, which: npt.NDArray[np.bool_]) -> "MessageColumns":
        """Return these messages."""
        return MessageColumns(
            self.partitions[which],
            self.offsets[which],
            self.timestamps[which],
            self.errors[which],
            self.keys.where(which),
            self.values.where(which),
        )


def _layout() -> np.dtype[Any]:
    """Return rd_kafka_message_t as numpy sees it, with addresses as numbers."""
    numbers = {"err": np.int32, "partition": np.int32, "offset": np.int64}
    layout = np.dtype([(name, numbers.get(name, np.uintp)) for name, _ in RawMessage._fields_], align=True)
    assert layout.fields is not None
    places = {name: layout.fields[name][1] for name in layout.fields}
    if layout.itemsize != ctypes.sizeof(RawMessage) or any(
        getattr(RawMessage, name).offset != place for name, place in places.items()
    ):
        raise AssertionError("rd_kafka_message_t lies otherwise on this machine")
    return layout


def _pointer(typing_context: Any, address: Any) -> Any:
    """Make a pointer of an address."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.uintp), code


_at: Any = extending.intrinsic(_pointer)


class Gatherer:
    """Compiles once in a process, in a second or two, when the first is made."""

    def __init__(self) -> None:
        self._gather = _compile()

    def gather(self, queue: int, timeout_ms: Millis, limit: int, wanted: Flag) -> MessageColumns:
        """Return up to `limit` messages: those that are there, and those that come one within `timeout_ms` of another
        until they are `wanted`."""
        numbers, keys, key_lengths, values, value_lengths = self._gather(queue, timeout_ms, limit, wanted)
        partitions, offsets, timestamps, errors = numbers
        texts = ByteColumn(keys, key_lengths), ByteColumn(values, value_lengths)
        return MessageColumns(partitions, offsets, timestamps, errors, *texts)


@cache
def _compile() -> Any:
    """Return the compiled code, which does not depend on anything but the library."""
    library = Library()
    consume, timestamp_of = library.consume_batch_queue, library.message_timestamp
    give_back, layout = library.message_destroy, _layout()

    def copy(into: npt.NDArray[np.uint8], used: int, address: int, length: int) -> npt.NDArray[np.uint8]:
        """Append bytes, in a longer array where they need one."""
        if used + length > into.size:
            longer = np.empty(2 * (used + length), np.uint8)
            longer[:used] = into[:used]
            into = longer
        into[used : used + length] = _carray(_at(np.uintp(address)), (length,), np.uint8)
        return into

    append = _numba.njit(nogil=True)(copy)

    def gather(queue: int, timeout_ms: int, limit: int, wanted: Flag) -> Any:
        partitions, offsets = np.empty(limit, np.int64), np.empty(limit, np.int64)
        timestamps, errors = np.empty(limit, np.int64), np.empty(limit, np.int64)
        value_lengths, key_lengths = np.empty(limit, np.int64), np.empty(limit, np.int64)
        values, keys = np.empty(128 * min(limit, CHUNK), np.uint8), np.empty(16 * min(limit, CHUNK), np.uint8)
        used_values = used_keys = count = 0
        addresses, kind = np.zeros(CHUNK, np.uintp), np.zeros(1, np.int64)
        while count < limit and used_values < _MAX_BYTES:
            most = min(CHUNK, limit - count)
            found = consume(queue, timeout_ms, addresses.ctypes.data, most)
            for place in range(found):
                message = _carray(_at(addresses[place]), (1,), layout)[0]
                partitions[count], offsets[count], errors[count] = message.partition, message.offset, message.err
                timestamps[count] = timestamp_of(addresses[place], kind.ctypes.data)
                value_lengths[count] = key_lengths[count] = _NONE
                if message.payload != 0:
                    value_lengths[count] = message.len
                    values = append(values, used_values, message.payload, message.len)
                    used_values += message.len
                if message.key != 0:
                    key_lengths[count] = message.key_len
                    keys = append(keys, used_keys, message.key, message.key_len)
                    used_keys += message.key_len
                give_back(addresses[place])
                count += 1
            if found == 0 or (found < most and wanted[0]):
                break
        return (
            (partitions[:count], offsets[:count], timestamps[:count], errors[:count]),
            keys[:used_keys],
            key_lengths[:count],
            values[:used_values],
            value_lengths[:count],
        )

    return _numba.njit((types.uintp, types.int64, types.int64, types.boolean[::1]), nogil=True)(gather)
