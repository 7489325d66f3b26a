"""librdkafka's public C functions that a fetch needs, from the library that confluent-kafka has loaded.

What is declared here is from rdkafka.h, which promises both the functions and the fields of `rd_kafka_message_t`.
"""

import ctypes
from collections.abc import Callable, Mapping
from ctypes import c_char_p, c_int, c_int32, c_int64, c_size_t, c_ssize_t, c_void_p
from pathlib import Path
from typing import Any

import confluent_kafka

_OLDEST, _TOO_NEW = (2, 10), (3, 0)
_ERROR_TEXT_BYTES = 512
_CONSUMER_TYPE = 1


class LibraryUnusable(Exception):
    """Columns cannot be fetched with this library; the text says why, and what to do."""


class RawMessage(ctypes.Structure):
    """rd_kafka_message_t: all of its fields."""

    _fields_ = (
        ("err", c_int),
        ("rkt", c_void_p),
        ("partition", c_int32),
        ("payload", c_void_p),
        ("len", c_size_t),
        ("key", c_void_p),
        ("key_len", c_size_t),
        ("offset", c_int64),
        ("private", c_void_p),
    )


_Signature = tuple[Any, list[Any]]
_SIGNATURES: Mapping[str, _Signature] = {
    "rd_kafka_conf_new": (c_void_p, []),
    "rd_kafka_conf_set": (c_int, [c_void_p, c_char_p, c_char_p, c_char_p, c_size_t]),
    "rd_kafka_conf_destroy": (None, [c_void_p]),
    "rd_kafka_new": (c_void_p, [c_int, c_void_p, c_char_p, c_size_t]),
    "rd_kafka_destroy": (None, [c_void_p]),
    "rd_kafka_poll": (c_int, [c_void_p, c_int]),
    "rd_kafka_topic_new": (c_void_p, [c_void_p, c_char_p, c_void_p]),
    "rd_kafka_topic_destroy": (None, [c_void_p]),
    "rd_kafka_queue_new": (c_void_p, [c_void_p]),
    "rd_kafka_queue_destroy": (None, [c_void_p]),
    "rd_kafka_get_watermark_offsets": (c_int, [c_void_p, c_char_p, c_int32, c_void_p, c_void_p]),
    "rd_kafka_queue_length": (c_size_t, [c_void_p]),
    "rd_kafka_consume_start_queue": (c_int, [c_void_p, c_int32, c_int64, c_void_p]),
    "rd_kafka_consume_stop": (c_int, [c_void_p, c_int32]),
    "rd_kafka_last_error": (c_int, []),
    "rd_kafka_metadata": (c_int, [c_void_p, c_int, c_void_p, c_void_p, c_int]),
    "rd_kafka_metadata_destroy": (None, [c_void_p]),
    # Called from compiled code with addresses as numbers.
    "rd_kafka_consume_batch_queue": (c_ssize_t, [c_size_t, c_int, c_size_t, c_size_t]),
    "rd_kafka_message_timestamp": (c_int64, [c_size_t, c_size_t]),
    "rd_kafka_message_destroy": (None, [c_size_t]),
}


class Library:
    """The functions, by the second half of their names: `library.consume_stop` is rd_kafka_consume_stop."""

    def __init__(self) -> None:
        """Raises LibraryUnusable."""
        self._library = _loaded()
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(self._library, name)
            function.restype, function.argtypes = result, arguments

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return getattr(self._library, f"rd_kafka_{name}")  # type: ignore[no-any-return]

    def new_consumer(self, settings: Mapping[str, Any]) -> int:
        """Return a handle with these settings of librdkafka's. Raises LibraryUnusable for one that it refuses."""
        conf, error = self.conf_new(), ctypes.create_string_buffer(_ERROR_TEXT_BYTES)
        for name, value in settings.items():
            if self.conf_set(conf, name.encode(), _text(value).encode(), error, len(error)):
                self.conf_destroy(conf)
                raise LibraryUnusable(f"kafka.client: {name} cannot be used with source.fetch: columns")
        handle = self.new(_CONSUMER_TYPE, conf, error, len(error))
        if not handle:
            self.conf_destroy(conf)
            raise LibraryUnusable(f"kafka.client: {error.value.decode(errors='replace')}")
        return int(handle)

    def knows_brokers(self, handle: int, topic: int, timeout_ms: int) -> bool:
        """Return whether a broker tells the handle of brokers."""
        found = c_void_p()
        if self.metadata(handle, 0, topic, ctypes.byref(found), timeout_ms) or found.value is None:
            return False
        brokers = c_int.from_address(found.value).value  # the first field of rd_kafka_metadata_t
        self.metadata_destroy(found)
        return brokers > 0


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _loaded() -> ctypes.CDLL:
    """Return the library that confluent-kafka is linked with: a second one of another build would not do."""
    version = confluent_kafka.libversion()
    found = tuple(map(int, version[0].split(".")[:2]))
    if not _OLDEST <= found < _TOO_NEW:
        raise LibraryUnusable(f"source.fetch: columns is tested with librdkafka 2.10 to 2.x, not with {version[0]}")
    for path in _candidates():
        try:
            library = ctypes.CDLL(str(path))
            same = library.rd_kafka_version() == version[1]
        except (OSError, AttributeError):
            continue
        if same:
            return library
    raise LibraryUnusable(
        "source.fetch: columns needs the librdkafka that confluent-kafka's wheels bring; this installation has another."
        " Use `fetch: messages`"
    )


def _candidates() -> list[Path]:
    """Return the libraries in a wheel: beside the package on Linux, inside it elsewhere; or the extension itself."""
    package = Path(confluent_kafka.__file__).parent
    bundled = [*package.parent.glob("confluent_kafka.libs/librdkafka*"), *package.glob(".dylibs/librdkafka*")]
    return [*bundled, *package.glob("cimpl*.so")]
