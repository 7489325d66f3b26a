"""`lapse brake status|release`: asks a running detect over its HTTP API."""

from pathlib import Path
from typing import Any

import httpx
import typer

from consumer.commands.terminal.exit_codes import DONE, CommandFailed
from consumer.config.loader import load, read_secret
from consumer.config.service import WebSettings

_SECONDS = 15
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - addresses to listen on, not to call


def status(config: Path, url: str | None) -> int:
    """Prints what is held back, and why. Raises ConfigError; Failed when detect does not answer."""
    told = _ask(load(config).web, url, "GET", "/api/brake")
    lines = told["words"] or ["nothing is held back"]
    if told["released"]:
        lines.append(f"released by an operator, until it has passed: {told['released']}")
    for line in lines:
        typer.echo(line)
    return DONE


def release(config: Path, url: str | None) -> int:
    """Releases what is held back, and prints what that was. Raises ConfigError; Failed when detect does not answer."""
    told = _ask(load(config).web, url, "POST", "/api/brake/release")
    if told["engaged"]:
        typer.echo(f"released: {told['engaged']}, {told['held']} lapses; until it has passed and comes again")
    for number in told["distrusted"]:
        typer.echo(f"released: the clock of partition {number}")
    if not told["words"]:
        typer.echo("nothing was held back")
    return DONE


def _ask(web: WebSettings, url: str | None, method: str, path: str) -> dict[str, Any]:
    base = (url or f"http://{_address(web.host)}:{web.port}").rstrip("/")
    headers: dict[bytes, bytes] = {}
    if web.api_token:
        headers[b"authorization"] = b"Bearer " + read_secret(web.api_token, "web.api_token").get_secret_value().encode()
    try:
        answer = httpx.request(method, base + path, headers=headers, timeout=_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        raise CommandFailed(
            f"nobody answers at {base} ({type(problem).__name__}): does detect run there? Else --url"
        ) from None
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise CommandFailed(f"{base} has no brake: detect does not run there; name a replica that does with --url")
    try:
        told: dict[str, Any] = answer.json()
    except ValueError:
        raise CommandFailed(
            f"{base} answers {answer.status_code}, and not as Lapse does: is this its address?"
        ) from None
    if answer.is_error:
        raise CommandFailed(f"{base} answers {answer.status_code}: {told.get('error')}")
    return told


def _address(host: str) -> str:
    return _EVERYWHERE.get(host, f"[{host}]" if ":" in host else host)
