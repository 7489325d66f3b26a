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
    " let its producer use a serializer that writes one of them (a topic of JSON activities needs source.format: json)",
)


def header_of(value: bytes) -> bytes:
    """Return the header of a framed value. Raises BadRecord (unframed)."""
    if value[:1] == bytes([CONFLUENT]) and len(value) >= CONFLUENT_SIZE:
        return value[:CONFLUENT_SIZE]
    if value[:2] == bytes(SINGLE_OBJECT) and len(value) >= SINGLE_OBJECT_SIZE:
        return value[:SINGLE_OBJECT_SIZE]
    raise BadRecord(*UNFRAMED)


def registry_header(schema_id: int) -> bytes:
    return bytes([CONFLUENT]) + schema_id.to_bytes(4, "big")


def registry_id(header: bytes) -> int | None:
    """Return the registry's schema id in a header, or None if the header is a fingerprint."""
    return int.from_bytes(header[1:], "big") if header[0] == CONFLUENT else None
