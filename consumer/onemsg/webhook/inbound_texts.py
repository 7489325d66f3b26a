"""What a person wrote or tapped, wherever in their message it stands. Pure.

Forms of messages are many, and new ones come (edits, flows, lists): a STOP must not be lost in one of which nobody has
heard yet. So a message is searched as a whole for the keys under which texts stand, but for the parts that somebody
else wrote: what it answers, what it was forwarded from, what an advertisement said, and names.
"""

from collections.abc import Iterator, Mapping

from consumer.onemsg.http import lenient_json as lenient

_TEXTS = frozenset(
    {"body", "text", "caption", "title", "payload", "description", "emoji", "comment", "content", "response_json"}
    | {"selectedbuttonid", "selectedrowid", "selectedid", "buttonid", "rowid", "postbackdata"}
)
"""Keys of texts and of what buttons carry, in lower case."""
_NOT_THEIRS = frozenset({"context", "referral", "errors", "error", "system", "profile", "contacts", "metadata"})
_NOT_THEIRS_PREFIXES = ("quoted", "sender", "chat", "author")
_MAX_DEPTH = 8
_MAX_TEXTS = 20


def texts_in(message: Mapping[str, object]) -> tuple[str, ...]:
    """Return the texts of one message, each once, those nearest to its root first."""
    found: dict[str, None] = {}
    level: list[tuple[str, Mapping[str, object]]] = [("", message)]
    for _ in range(_MAX_DEPTH):
        for holder, inner in level:
            found.update(dict.fromkeys(_own_texts(holder, inner)))
        level = [each for _, inner in level for each in _inner(inner)]
    return tuple(found)[:_MAX_TEXTS]


def _own_texts(holder: str, given: Mapping[str, object]) -> Iterator[str]:
    """Yield the texts that stand directly in this part, which stands under the key `holder`."""
    is_reply = holder.endswith("reply")  # `button_reply`, `list_reply`: their `id` is what the business gave the button
    for key, value in given.items():
        name = key.lower()
        if (name in _TEXTS or (is_reply and name == "id")) and (text := lenient.text(value)):
            yield text


def _inner(given: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    for key, value in given.items():
        name = key.lower()
        if name not in _NOT_THEIRS and not name.startswith(_NOT_THEIRS_PREFIXES):
            yield from ((name, lenient.mapping(each)) for each in lenient.items(value))
