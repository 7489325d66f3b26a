"""Reasons of opt-outs, of records that were set aside, and of the brake. Name to (meaning, what to do)."""

from collections.abc import Mapping

from consumer.reasons.decisions import NOTHING

_REPLAY = "Correct the producer. If it is source that is wrong, correct that, then `lapse dead-letters replay`."

OPT_OUTS: Mapping[str, tuple[str, str]] = {
    "asked_to_stop": ("The person answered with a word for it (policy.opt_out_words).", NOTHING),
    "stopped_in_whatsapp": ("The person switched our marketing off in WhatsApp.", NOTHING),
    "by_operator": (
        "An operator entered it (console, `lapse opt-outs add`); `lapse opt-outs list USER` says why.",
        NOTHING,
    ),
    "unreadable_opt_out": (
        "A record on `opt-outs` could not be read, so whoever its key names counts as opted out.",
        "Look at the record at the coordinates that the log names (opt_out_unreadable).",
    ),
    "opted_out": ("WhatsApp refused a message because the person had stopped our marketing.", NOTHING),
}

DEAD_LETTERS: Mapping[str, tuple[str, str]] = {
    "not_storable": (
        "A text of a contact or a reminder is too long, a number out of range, or the database cannot store it.",
        (
            "Let its producer write ids of at most 255 bytes, texts of at most 10,000, without NUL. If detect wrote it,"
            " set both hosts' clocks right, and run lapse state rebuild."
        ),
    ),
    "unframed": (
        "The value begins neither with the Confluent header nor with that of Avro single-object encoding.",
        "Use a serializer that writes one of them; a topic of JSON needs source.format: json.",
    ),
    "foreign_frame": (
        "The value begins with the header of AWS Glue's Schema Registry.",
        "Use a serializer of Confluent's, plain JSON, or Avro single-object encoding.",
    ),
    "unknown_schema": (
        "No schema is known for the value.",
        "Set schema_registry.url to the producer's registry, or name its schema in source.schemas; then replay.",
    ),
    "incompatible_schema": (
        "The value's schema lacks what is needed, or has it as another type.",
        "Compare it with the file in schemas/, or with the paths in source.",
    ),
    "unreadable": ("The bytes do not follow their schema, or are no JSON object, or a time cannot be read.", _REPLAY),
    "missing_field": ("kind or occurred_at is null.", _REPLAY),
    "user_id_too_long": ("user_id is longer than 255 bytes.", _REPLAY),
    "empty_process": ("process is empty.", _REPLAY),
    "time_before_2000": ("occurred_at is before the year 2000: perhaps in seconds.", "Write milliseconds."),
    "time_in_future": (
        "occurred_at and the record's own time are more than a day ahead.",
        "Set the producer's clock.",
    ),
}

BRAKE: Mapping[str, tuple[str, str]] = {
    "below_floor": (
        "Fewer records than detect.brake.floor arrive.",
        "See whether the input is whole; `lapse brake release` if it is meant.",
    ),
    "below_mean": (
        "Far fewer records than in the time before arrive (detect.brake.share_of_mean).",
        "See whether the input is whole; `lapse brake release` if it is meant.",
    ),
    "clock_skew": (
        "Most events of a partition's last minutes have times further from their records' than detect.clock_doubt.",
        "See lapse_event_skew_seconds: whole hours are a forgotten time zone. `lapse brake release` if it is meant.",
    ),
    "warming_up": (
        "The input was not observed for long enough, or not in all partitions yet, to be judged.",
        "Nothing: it passes. `lapse brake release` to ask at once.",
    ),
    "lapse_storm": (
        "More lapses than detect.brake.lapse_limit are due at once.",
        "See whether the input is whole; `lapse brake release` if it is meant.",
    ),
}
