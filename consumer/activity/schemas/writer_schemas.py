"""Finds the schema that a value was written with by its header, and keeps it."""

from collections.abc import Iterable

from consumer.activity.errors import BadRecord, ValueProblem
from consumer.activity.schemas.avro_schema import FILES, WriterSchema, earlier, own, single_object_header
from consumer.activity.schemas.background_registry import BackgroundRegistry, SchemaFinder
from consumer.activity.schemas.framing import registry_id
from consumer.clock import SECOND, Clock, Millis

_ABSENT_FOR_MS: Millis = 10 * SECOND
_MAX_ABSENT = 100
"""Ids that the registry does not have, within that time; further ones are not asked for. A producer can write any."""


class WriterSchemas:
    """Writers' schemas by the header of their values: by registry id, or by fingerprint.

    Fingerprints are known for the schemas of `schemas/`, for the earlier ones there, and for `others`. They do not
    cover logical types: of schemas that differ in nothing else the last one counts. A schema in the registry never
    changes, so each id is asked for once; that the registry does not have an id is remembered for ten seconds, and of
    very many such ids it is assumed.
    """

    def __init__(self, clock: Clock, registry: SchemaFinder | None = None, others: Iterable[WriterSchema] = ()) -> None:
        self._clock = clock
        self._registry = registry
        self._known: dict[bytes, WriterSchema] = {}
        self._absent: dict[bytes, tuple[Millis, ValueProblem]] = {}
        self.learn((*earlier(), *map(own, FILES), *others))

    def learn(self, writers: Iterable[WriterSchema]) -> None:
        """Add schemas to be found by their fingerprints."""
        self._known.update((single_object_header(writer), writer) for writer in writers)

    def learn_id(self, header: bytes, writer: WriterSchema) -> None:
        """Take values with this header for those of a schema of ours, whatever the registry would say of its id."""
        self._known[header] = writer

    def request(self, headers: Iterable[bytes]) -> None:
        """Have the schemas of these headers looked up, where that goes on beside the caller's work."""
        if isinstance(self._registry, BackgroundRegistry):
            ids = (registry_id(header) for header in headers if header not in self._known)
            self._registry.request(schema_id for schema_id in ids if schema_id is not None)

    def find(self, header: bytes) -> WriterSchema:
        """Return the schema of values with this header.

        Raises BadRecord (unknown_schema, incompatible_schema), and RegistryUnavailable.
        """
        known = self._known.get(header)
        if known is not None:
            return known
        now = self._clock.monotonic()
        until, problem = self._absent.get(header, (0, None))
        if problem is not None and now < until:
            raise BadRecord(*problem)
        if len(self._absent) >= _MAX_ABSENT:
            self._absent = {each: absent for each, absent in self._absent.items() if now < absent[0]}
        if len(self._absent) >= _MAX_ABSENT:
            if isinstance(self._registry, BackgroundRegistry):  # it remembers by itself what is absent
                return self._known.setdefault(header, self._find_new(header))
            raise _unknown("it is one of very many schemas that are unknown here: see what their producer writes")
        try:
            found = self._known[header] = self._find_new(header)
        except BadRecord as refusal:
            self._absent[header] = now + _ABSENT_FOR_MS, ValueProblem(refusal.reason, refusal.error)
            raise
        return found

    def _find_new(self, header: bytes) -> WriterSchema:
        schema_id = registry_id(header)
        if schema_id is None:
            raise _unknown(
                f"no schema here has the fingerprint {header[2:].hex()}: write with one of schemas/ as it is,"
                " or with a Schema Registry; if a newer Lapse wrote it, upgrade this one"
            )
        if self._registry is None:
            raise _unknown(f"it was written with schema id {schema_id}: set schema_registry.url")
        found = self._registry.find(schema_id)
        if found is None:
            raise _unknown(f"the Schema Registry has no schema id {schema_id}: is it the producer's registry?")
        return found


def _unknown(error: str) -> BadRecord:
    return BadRecord("unknown_schema", error)
