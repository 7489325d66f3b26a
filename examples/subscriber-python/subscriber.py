"""Follows what became of each reminder: reads delivery-status, and says each change once.

    pip install confluent-kafka fastavro
    python subscriber.py localhost:9092 delivery-status ../../schemas/delivery_status.avsc

A record may come again after a crash of Lapse, so for each reminder and medium only a greater sequence counts. With a
schema registry, AvroDeserializer of confluent_kafka.schema_registry takes the place of `decode`.
"""

import json
import sys
from io import BytesIO

from confluent_kafka import Consumer, KafkaException
from fastavro import schemaless_reader
from fastavro.schema import load_schema

SINGLE_OBJECT = b"\xc3\x01"  # followed by 8 bytes of the schema's fingerprint


def decode(value: bytes, schema: object) -> dict:
    """Return the record in a value in Avro single-object encoding."""
    if value[:2] != SINGLE_OBJECT:
        raise ValueError("not in Avro single-object encoding: is a schema registry configured?")
    return schemaless_reader(BytesIO(value[10:]), schema)


def main(brokers: str, topic: str, schema_file: str) -> None:
    schema = load_schema(schema_file)
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "subscriber-python",
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    consumer.subscribe([topic])
    latest: dict[tuple[str, str], int] = {}
    while True:
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
        status = decode(message.value(), schema)
        key = (status["reminder_id"], status["medium"])
        if status["sequence"] <= latest.get(key, 0):
            continue  # a repeat
        latest[key] = status["sequence"]
        fields = ("user_id", "process", "medium", "sequence", "status", "reason", "final")
        print(json.dumps({name: status[name] for name in fields}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
