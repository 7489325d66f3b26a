"""Builds the decoder of the activity topic from its settings."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from consumer.activity.avro.batch_reader import AvroReader
from consumer.activity.decoder import ActivityDecoder
from consumer.activity.event_mapping import build_event_mapping
from consumer.activity.field_paths import FieldPaths, build_field_paths
from consumer.activity.json_reader import JsonReader
from consumer.activity.record_metadata import MetadataReader
from consumer.activity.row_reader import EventFilter
from consumer.activity.rows import ReadBatch
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import HOUR, Millis
from consumer.config.sections.processes import ProcessSettings
from consumer.config.sections.source import SourceSettings

if TYPE_CHECKING:  # it needs numba, which is optional
    from consumer.activity.column_decoder import ColumnDecoder


def build_decoder(
    source: SourceSettings,
    processes: Mapping[str, ProcessSettings],
    writers: WriterSchemas,
    clock_doubt: Millis = HOUR,
    *,
    is_history: bool = False,
) -> ActivityDecoder:
    """Return the decoder. `writers` finds the schemas of Avro values; `source.schemas` must be known to it.

    `is_history`: what is read may be old."""
    fields, mapping = build_field_paths(source, processes), build_event_mapping(source, processes)

    def reader(fields: FieldPaths, wants: EventFilter | None) -> ReadBatch:
        return JsonReader(fields, wants) if source.format == "json" else AvroReader(writers, fields, wants)

    of_key = replace(fields, paths=fields.from_key, records=frozenset(), from_record_name=frozenset())
    is_whole = () in fields.from_key.values()  # then it is the only one, and its schema says what its bytes mean
    read_keys = AvroReader(writers, of_key) if is_whole else reader(of_key, None)
    return ActivityDecoder(
        reader(fields, mapping.wants if mapping else None),
        mapping,
        MetadataReader(fields, read_keys) if fields.elsewhere else None,
        fields=fields,
        clock_doubt=clock_doubt,
        is_history=is_history,
    )


def build_column_decoder(
    source: SourceSettings,
    processes: Mapping[str, ProcessSettings],
    writers: WriterSchemas,
    clock_doubt: Millis = HOUR,
) -> "ColumnDecoder | None":
    """Return the decoder that leaves texts where they lie, for Avro with our own fields; None for any other input. It
    needs numba."""
    if source.format == "json" or source.paths:
        return None
    from consumer.activity.column_decoder import ColumnDecoder

    fields = build_field_paths(source, processes)
    avro = AvroReader(writers, fields)
    return ColumnDecoder(avro, ActivityDecoder(avro, fields=fields, clock_doubt=clock_doubt))
