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
_NUMBERS = 6
"""Columns of whole numbers: those of MessageColumns, and two of lengths."""
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
    """Compiles once in a process, in some seconds, when the first is made."""

    def __init__(self) -> None:
        self._gather = _compile()

    def gather(self, queue: int, timeout_ms: Millis, limit: int, wanted: Flag) -> MessageColumns:
        """Return up to `limit` messages: those that are there, and those that come one within `timeout_ms` of another
        until they are `wanted`."""
        numbers, keys, values = self._gather(queue, timeout_ms, limit, wanted)
        partitions, offsets, timestamps, errors, key_lengths, value_lengths = numbers
        texts = ByteColumn(keys, key_lengths), ByteColumn(values, value_lengths)
        return MessageColumns(partitions, offsets, timestamps, errors, *texts)


@cache
def _compile() -> Any:
    """Return the compiled code, which does not depend on anything but the library."""
    library = Library()
    consume, timestamp_of = library.consume_batch_queue, library.message_timestamp
    give_back, layout = library.message_destroy, _layout()

    def sizes(addresses: Any, count: int) -> Any:
        """Return the bytes of these messages' keys and values."""
        keys, values = np.int64(0), np.int64(0)
        for place in range(count):
            message = _carray(_at(addresses[place]), (1,), layout)[0]
            if message.key != 0:
                keys += np.int64(message.key_len)
            if message.payload != 0:
                values += np.int64(message.len)
        return keys, values

    def with_room(into: npt.NDArray[np.uint8], used: int, more: int) -> npt.NDArray[np.uint8]:
        """Return the array, or a longer one with the same bytes where it has no room for so many more."""
        if used + more <= into.size:
            return into
        longer = np.empty(2 * (used + more), np.uint8)
        longer[:used] = into[:used]
        return longer

    def copy(addresses: Any, count: int, numbers: Any, keys: Any, values: Any, used: Any) -> None:
        """Copy messages behind what is used, where there is room, and give them back."""
        partitions, offsets, timestamps, errors, key_lengths, value_lengths = numbers
        used_keys, used_values = used
        kind = np.zeros(1, np.int64)
        for place in range(count):
            message = _carray(_at(addresses[place]), (1,), layout)[0]
            partitions[place], offsets[place], errors[place] = message.partition, message.offset, message.err
            timestamps[place] = timestamp_of(addresses[place], kind.ctypes.data)
            value_lengths[place] = key_lengths[place] = _NONE
            if message.payload != 0:
                end = used_values + np.int64(message.len)
                value_lengths[place] = message.len
                values[used_values:end] = _carray(_at(message.payload), (message.len,), np.uint8)
                used_values = end
            if message.key != 0:
                end = used_keys + np.int64(message.key_len)
                key_lengths[place] = message.key_len
                keys[used_keys:end] = _carray(_at(message.key), (message.key_len,), np.uint8)
                used_keys = end
            give_back(addresses[place])

    inner = [_numba.njit(nogil=True)(each) for each in (sizes, with_room, copy)]
    sizes_of, make_room, copy_chunk = inner

    def gather(queue: int, timeout_ms: int, limit: int, wanted: Flag) -> Any:
        numbers, addresses = np.empty((_NUMBERS, limit), np.int64), np.zeros(CHUNK, np.uintp)
        values, keys = np.empty(128 * min(limit, CHUNK), np.uint8), np.empty(16 * min(limit, CHUNK), np.uint8)
        used_values = used_keys = count = 0
        while count < limit and used_values < _MAX_BYTES:
            most = min(CHUNK, limit - count)
            found = consume(queue, timeout_ms, addresses.ctypes.data, most)
            if found > 0:
                key_bytes, value_bytes = sizes_of(addresses, found)
                keys, values = make_room(keys, used_keys, key_bytes), make_room(values, used_values, value_bytes)
                copy_chunk(addresses, found, numbers[:, count:], keys, values, (used_keys, used_values))
                used_keys, used_values, count = used_keys + key_bytes, used_values + value_bytes, count + found
            if found <= 0 or (found < most and wanted[0]):
                break
        return numbers[:, :count], keys[:used_keys], values[:used_values]

    return _numba.njit((types.uintp, types.int64, types.int64, types.boolean[::1]), nogil=True)(gather)
