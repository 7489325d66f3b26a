"""The topics as an AsyncAPI 3 document, made of the schemas: for code generators and catalogues of topics."""

import json
import tomllib
from pathlib import Path
from typing import Any

import yaml

SCHEMAS = Path(__file__).parents[1] / "schemas"
_AVRO = "application/vnd.apache.avro;version=1.9.0"
_TOPICS = (
    ("delivery-status", "delivery_status", "send", "what became of each reminder"),
    ("opt-outs", "opt_out", "send", "who asked for no more messages"),
    ("user-activity", "user_activity", "receive", "what users did"),
    ("contacts", "contact", "receive", "whom to write to, and with whose consent"),
)
"""The default name, the schema's file, what Lapse does with it, and what is in it."""

_HEADER = "# Made of schemas/ by `python -m tools.generate_docs`. What the fields mean is in topics.md.\n"


def document() -> str:
    """Return the document as YAML."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for topic, file, action, summary in _TOPICS:
        schema = json.loads((SCHEMAS / f"{file}.avsc").read_text(encoding="utf-8"))
        name = schema["name"]
        messages[name] = {
            "name": name,
            "summary": summary[0].upper() + summary[1:] + ".",
            "contentType": "avro/binary",
            "payload": {"schemaFormat": _AVRO, "schema": schema},
            "bindings": {"kafka": {"key": {"type": "string", "description": "The user's id."}}},
        }
        reference = f"#/components/messages/{name}"
        channels[topic] = {"address": topic, "messages": {name: {"$ref": reference}}}
        operations[f"{action}-{topic}"] = {
            "action": action,
            "channel": {"$ref": f"#/channels/{topic}"},
            "messages": [{"$ref": f"#/channels/{topic}/messages/{name}"}],
        }
    content = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Lapse's topics",
            "version": _version(),
            "description": "Values are in Avro single-object encoding, or framed for a schema registry if one is"
            " configured. The names of topics are configurable.",
        },
        "defaultContentType": "avro/binary",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }
    return _HEADER + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120).rstrip()


def _version() -> str:
    project = tomllib.loads((SCHEMAS.parent / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["project"]["version"])
