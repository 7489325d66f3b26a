"""The header of a value, by which its schema is found.

Confluent: `00`, then the registry's id of the schema in four bytes, big-endian.
Avro single-object encoding: `C3 01`, then the schema's CRC-64-AVRO fingerprint in eight bytes, little-endian.
"""

from consumer.activity.errors import BadRecord, ValueProblem

CONFLUENT = 0x00
CONFLUENT_SIZE = 5
SINGLE_OBJECT = (0xC3, 0x01)
SINGLE_OBJECT_SIZE = 10

UNFRAMED = ValueProblem(
    "unframed",
    "the value begins neither as the Confluent wire format nor as Avro single-object encoding:"
    " let its producer use a serializer that writes one of them (a topic of JSON activities needs source.format: json;"
    " a schema's GUID in a header is not read: let the serializer write the schema's id into the value)",
)
UNREADABLE = ValueProblem(
    "unreadable", "the bytes do not follow their schema: were they damaged, or written with another one?"
)

FOREIGN_FRAME = ValueProblem(
    "foreign_frame",
    "the value begins with the header of AWS Glue's Schema Registry, which is not read: let its producer use a"
    " serializer of Confluent's, plain JSON, or Avro single-object encoding",
)
GLUE, GLUE_COMPRESSIONS, GLUE_SIZE = 0x03, (0x00, 0x05), 18


def refuse_foreign_frame(value: bytes) -> None:
    """Raise BadRecord (foreign_frame) for a value behind AWS Glue's header: 03, the compression, a schema's uuid."""
    if len(value) >= GLUE_SIZE and value[0] == GLUE and value[1] in GLUE_COMPRESSIONS:
        raise BadRecord(*FOREIGN_FRAME)


def without_registry_frame(value: bytes | None) -> bytes | None:
    """Return what is behind the Confluent header of a value, or None if it has none."""
    is_framed = value is not None and value[:1] == b"\0" and len(value) > CONFLUENT_SIZE
    return value[CONFLUENT_SIZE:] if is_framed and value else None


def has_header(value: bytes) -> bool:
    """Return whether a value begins with one of the two headers."""
    return (value[:1] == bytes([CONFLUENT]) and len(value) >= CONFLUENT_SIZE) or (
        value[:2] == bytes(SINGLE_OBJECT) and len(value) >= SINGLE_OBJECT_SIZE
    )


def header_of(value: bytes) -> bytes:
    """Return the header of a framed value. Raises BadRecord (unframed)."""
    if not has_header(value):
        raise BadRecord(*UNFRAMED)
    return value[: CONFLUENT_SIZE if value[0] == CONFLUENT else SINGLE_OBJECT_SIZE]


def text_of_key(key: bytes) -> str | None:
    """Return the text of a record's key: plain, or an Avro string behind one of the two headers. None if it is none."""
    header = key[:1] == bytes([CONFLUENT]), key[:2] == bytes(SINGLE_OBJECT)
    size = CONFLUENT_SIZE if header[0] else SINGLE_OBJECT_SIZE if header[1] else 0
    if size:
        length, begin = _read_length(key, size)
        key = key[begin:] if length is not None and length == len(key) - begin else b"\xff"
    try:
        return key.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _read_length(data: bytes, position: int) -> tuple[int | None, int]:
    """Return the length of an Avro string (zigzag, base 128), None if there is none, and where its text begins."""
    value = shift = 0
    for byte in data[position : position + 5]:
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (None if value & 1 else value >> 1), position
    return None, position


def registry_header(schema_id: int) -> bytes:
    return bytes([CONFLUENT]) + schema_id.to_bytes(4, "big")


def registry_id(header: bytes) -> int | None:
    """Return the registry's schema id in a header, or None if the header is a fingerprint."""
    return int.from_bytes(header[1:], "big") if header[0] == CONFLUENT else None
