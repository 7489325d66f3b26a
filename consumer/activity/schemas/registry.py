"""A client of the Schema Registry."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient, SchemaRegistryError

from consumer.activity.errors import BadRecord, RegistryUnavailable, SchemaRefused
from consumer.activity.schemas.avro_schema import MAX_SCHEMA_BYTES, UnusableSchema, WriterSchema, parse

_NOT_FOUND_CODES = {40401, 40402, 40403}  # subject, version, schema not found; another 404 means a wrong address
_CONFLICT = 409  # not compatible with what the subject has
_REFUSED_STATUSES = {_CONFLICT, 422}  # or not valid

_MAX_REFERENCES = 100
"""Schemas that one schema needs, directly or through others. Whoever may register schemas could refer without end."""

_Version: TypeAlias = tuple[str, int | Literal["latest"]]
"""A subject, and a version of it."""
_Read: TypeAlias = dict[_Version, Mapping[str, Any]]
"""The types of schemas that others refer to."""

_HINTS = {
    401: "check schema_registry.user and password, or token",
    403: "let whoever schema_registry.user or token names read schemas, and register those of our topics",
    429: "try again later",
}


class RegistryClient:
    """Finds writers' schemas by id and registers ours. Every call may use the network; callers keep the results."""

    def __init__(
        self,
        *urls: str,
        user: str | None = None,
        password: str | None = None,
        token: str | None = None,
        ca_file: Path | None = None,
    ) -> None:
        """`ca_file` has the certificates of a private authority. Raises OSError if it cannot be read, or has none."""
        settings: dict[str, Any] = {"url": ",".join(urls), "timeout": 5, "max.retries": 2, "retries.wait.ms": 200}
        if user is not None:
            settings["basic.auth.user.info"] = f"{user}:{password or ''}"
        if token is not None:
            settings["bearer.auth.credentials.source"] = (
                "CUSTOM"  # the client's own kind of token needs Confluent Cloud
            )
            settings["bearer.auth.custom.provider.function"] = _bearer_fields
            settings["bearer.auth.custom.provider.config"] = {"token": token}
        if ca_file is not None:
            settings["ssl.ca.location"] = str(ca_file)
        self._client = SchemaRegistryClient(settings)

    def find(self, schema_id: int) -> WriterSchema | None:
        """Return the schema with this id, or None if there is none.

        Raises RegistryUnavailable, and BadRecord (incompatible_schema) if it is not a usable Avro schema.
        """
        try:
            found = self._client.get_schema(schema_id)
            if not found.schema_str:  # something else answered, and no record is bad because of it
                raise RegistryUnavailable(
                    "the Schema Registry answered without a schema: is schema_registry.url right?"
                )
            return self._parsed(found, {})
        except UnusableSchema as problem:
            raise BadRecord(
                "incompatible_schema",
                f"schema id {schema_id} of the registry: {problem}; let the producer write plain Avro",
            ) from problem
        except SchemaRegistryError as answer:
            if answer.error_code in _NOT_FOUND_CODES:
                return None
            raise _unavailable(answer) from answer
        except RegistryUnavailable:
            raise
        except Exception as failure:  # no connection or no JSON: no record is bad because of it
            raise _unavailable(failure) from failure

    def register(self, subject: str, text: str) -> int:
        """Return the id of this schema under this subject; registers it if it is new.

        Raises RegistryUnavailable, and SchemaRefused if the registry refuses it.
        """
        try:
            try:
                return self._register(subject, text)
            except SchemaRegistryError as answer:
                if answer.http_status_code != _CONFLICT:
                    raise
                # Of two processes that start at once, the later one may be told that the subject is there by now.
                return self._register(subject, text)
        except SchemaRegistryError as answer:
            if answer.http_status_code in _REFUSED_STATUSES:
                raise SchemaRefused(
                    f"the Schema Registry refuses our schema for {subject}: {answer.error_message};"
                    " compare the subject's versions and its compatibility with the files in schemas/"
                ) from answer
            raise _unavailable(answer) from answer
        except Exception as failure:  # as above
            raise _unavailable(failure) from failure

    def _register(self, subject: str, text: str) -> int:
        return self._client.register_schema(subject, Schema(text, "AVRO"), normalize_schemas=True)

    def _parsed(self, schema: Schema, read: _Read) -> WriterSchema:
        if schema.schema_type not in (None, "AVRO"):
            raise UnusableSchema(f"it is {schema.schema_type}, not Avro")
        text = schema.schema_str or ""
        if len(text) > MAX_SCHEMA_BYTES:
            raise UnusableSchema(f"it is longer than {MAX_SCHEMA_BYTES:,} characters")
        return parse(text, self._types_of(schema.references or [], read))

    def _types_of(self, references: list[SchemaReference], read: _Read) -> dict[str, Any]:
        """Return the types that these schemas define; each that is not in `read` is read, and added to it."""
        named: dict[str, Any] = {}
        for reference in references:
            key: _Version = reference.subject or "", reference.version or "latest"
            if key not in read:
                if len(read) >= _MAX_REFERENCES:
                    raise UnusableSchema(f"it refers to more than {_MAX_REFERENCES} others, directly or through them")
                read[key] = {}
                read[key] = self._parsed(self._client.get_version(*key, deleted=True).schema, read).named
            named.update(read[key])
        return named


def _bearer_fields(settings: Mapping[str, str]) -> dict[str, str]:
    return {"bearer.auth.token": settings["token"], "bearer.auth.logical.cluster": ""}


def _unavailable(why: Exception) -> RegistryUnavailable:
    if isinstance(why, SchemaRegistryError):
        hint = _HINTS.get(why.http_status_code, "is schema_registry.url right?")
        hint = hint if why.http_status_code < 500 else "try again later"
        return RegistryUnavailable(f"the Schema Registry answered {why.http_status_code}: {hint}")
    if "ostname mismatch" in str(why) or "IP address mismatch" in str(why):
        return RegistryUnavailable(
            "the Schema Registry's certificate is for another name: write schema_registry.url as it has it"
        )
    if "CERTIFICATE_VERIFY_FAILED" in str(why):
        return RegistryUnavailable(
            "the Schema Registry's certificate is not trusted: if a private authority signed it, set"
            " schema_registry.ca_file"
        )
    return RegistryUnavailable(
        f"the Schema Registry cannot be asked ({type(why).__name__}): is it running, and is schema_registry.url right?"
    )
