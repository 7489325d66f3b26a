"""Whether `source.fetch` can be, as far as that is known without compiling."""

from importlib import import_module

from consumer.config.errors import ConfigError
from consumer.config.settings import Settings


def check_fetch(s: Settings) -> None:
    """Raise ConfigError where `source.fetch` cannot be."""
    if s.source.fetch == "messages":
        return
    if s.telemetry.carry_traceparent:
        raise ConfigError(["source.fetch: columns cannot read headers, so telemetry.carry_traceparent must be off"])
    try:
        import_module("consumer.kafka.columns.column_consumer")
    except ImportError:
        raise ConfigError(["source.fetch: columns needs numba: pip install 'lapse[columns]'"]) from None
