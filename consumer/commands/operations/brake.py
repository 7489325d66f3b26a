"""`lapse brake status|release`: calls the HTTP API of a running detect."""

from pathlib import Path
from typing import Any

import httpx

from consumer.commands.terminal.exit_codes import DONE, CommandFailed
from consumer.commands.terminal.output import echo
from consumer.config.loader import load, read_secret
from consumer.config.sections.service import WebSettings

_REQUEST_TIMEOUT_S = 15
_LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - addresses to listen on, not to call


def status(config: Path, url: str | None) -> int:
    """Print what is held back, and why. Raises ConfigError, and CommandFailed if detect does not answer."""
    found = _ask(load(config).web, url, "GET", "/api/brake")
    lines = found["words"] or ["nothing is held back"]
    if found["released"]:
        lines.append(f"released by an operator until the cause has passed: {found['released']}")
    for line in lines:
        echo(line)
    return DONE


def release(config: Path, url: str | None) -> int:
    """Release what is held back, and print what it was. Raises as `status` does."""
    found = _ask(load(config).web, url, "POST", "/api/brake/release")
    if found["engaged"]:
        echo(f"released: {found['engaged']}, {found['held']} lapses; the brake engages again at the next such event")
    for number in found["distrusted"]:
        echo(f"released: the watermark of partition {number}")
    if not found["words"]:
        echo("nothing was held back")
    return DONE


def _ask(web: WebSettings, url: str | None, method: str, path: str) -> dict[str, Any]:
    base = (url or f"http://{_address(web.host)}:{web.port}").rstrip("/")
    headers: dict[bytes, bytes] = {}
    if web.api_token:
        headers[b"authorization"] = b"Bearer " + read_secret(web.api_token, "web.api_token").get_secret_value().encode()
    try:
        response = httpx.request(method, base + path, headers=headers, timeout=_REQUEST_TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        raise CommandFailed(
            f"no answer from {base} ({type(problem).__name__}): is detect running there? If not, name it with --url"
        ) from None
    if response.status_code == httpx.codes.NOT_FOUND:
        raise CommandFailed(f"{base} has no brake: detect does not run there; name a process that runs it with --url")
    try:
        found: dict[str, Any] = response.json()
    except ValueError:
        raise CommandFailed(
            f"{base} answers {response.status_code}, but not as Lapse does: is the address right?"
        ) from None
    if response.is_error:
        raise CommandFailed(f"{base} answers {response.status_code}: {found.get('error')}")
    return found


def _address(host: str) -> str:
    return _LOOPBACK_OF.get(host, f"[{host}]" if ":" in host else host)
