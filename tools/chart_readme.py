"""Makes deploy/helm/lapse/README.md from the comments of values.yaml, for `python -m tools.generate_docs`."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[1] / "deploy" / "helm" / "lapse"
_KEY = re.compile(r"( *)([A-Za-z]+):")

_INTRODUCTION = """# Lapse on Kubernetes

Both roles as StatefulSets, a service for the webhook, probes, disruption budgets, a network policy and, if wanted,
a ServiceMonitor, the alerts and KEDA for detect. Needs Kafka, PostgreSQL and an image built with deploy/Dockerfile.

```
kubectl create secret generic lapse --from-literal=LAPSE_API_TOKEN=… --from-literal=ONEMSG_TOKEN=… \\
  --from-literal=LAPSE_WEBHOOK_SECRET=… --from-literal=PGPASSWORD=…
helm install lapse deploy/helm/lapse --values my-values.yaml
```

`config` is lapse.yaml and has to be given: [ci/minimal-values.yaml](ci/minimal-values.yaml) has the least. Begin with
`policy: {dry_run: true}`, then `policy: {only_users: [...]}`, then everybody (docs/configuration.md).
This table is made of the comments in values.yaml by `python -m tools.generate_docs`.

| value | default | what it is |
|---|---|---|
"""


def readme() -> str:
    """Return the text."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    values = yaml.safe_load(text)
    rows = [f"| `{path}` | `{_default(values, path)}` | {comment} |" for path, comment in _commented(text)]
    return _INTRODUCTION + "\n".join(rows)


def _commented(text: str) -> Iterator[tuple[str, str]]:
    """Yield each key of up to two levels with the comment above it; keys that only hold others are left out."""
    parents: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("#"):
            comment.append(stripped.lstrip("# "))
        elif (found := _KEY.match(line)) and len(found[1]) <= 2:
            level = len(found[1]) // 2
            parents[level:] = [found[2]]
            if not stripped.endswith(":"):
                yield ".".join(parents), " ".join(comment)
            comment = []
        elif not stripped:
            comment = []


def _default(values: Any, path: str) -> str:
    for key in path.split("."):
        values = values[key]
    return json.dumps(values)
