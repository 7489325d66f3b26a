"""Who may use the console in a browser: sessions in a signed cookie, and forms that no other site can send.

With `web.api_token` a person logs in with it and says who they are, for the journal. Without one, whoever is on this
machine is let in, by the same rule as for the API.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from consumer.clock import HOUR, Clock, Millis
from consumer.web.auth import Handler, is_loopback
from consumer.web.request_body import read_body
from consumer.web.wrong_secrets import WrongSecrets

COOKIE = "lapse_session"
FORM_TOKEN = "form_token"  # noqa: S105 - the name of a field
LASTS: Millis = 12 * HOUR
LOCAL_NAME = "somebody on this machine"
_MAX_NAME = 60


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody's visit; `id` differs for each."""

    name: str
    began_at: Millis
    id: str


Page: TypeAlias = Callable[[Request, Session], Awaitable[Response]]
Form: TypeAlias = Callable[[Session, Mapping[str, str]], Awaitable[Response]]


class ConsoleGuard:
    """Lets people into the console. Every replica that has the token accepts the sessions of the others."""

    def __init__(
        self,
        token: str | None,
        *,
        open_to_this_machine: bool,
        clock: Clock,
        wrong_secrets: WrongSecrets | None = None,
    ) -> None:
        self._token = token.encode() if token else None
        self._open = open_to_this_machine
        self._clock = clock
        self._wrong_secrets = wrong_secrets or WrongSecrets(clock)
        self._key = hmac.digest(self._token or secrets.token_bytes(32), b"console session", hashlib.sha256)

    @property
    def asks_for_token(self) -> bool:
        return self._token is not None

    def page(self, page: Page) -> Handler:
        """Return the handler for those who are logged in; others are sent to the login."""

        async def guarded(request: Request) -> Response:
            session = self._session(request)
            if session is not None:
                return await page(request, session)
            self._refuse_others(request)
            if self._token is not None:
                return _to_login(request)
            session = self._new(LOCAL_NAME)
            response = await page(request, session)
            self._set_cookie(request, response, session)
            return response

        return guarded

    def form(self, act: Form) -> Handler:
        """Return the handler for forms: the session must be there, and the form must come from one of its pages."""

        async def guarded(request: Request) -> Response:
            session = self._session(request)
            if session is None:
                self._refuse_others(request)
                return _to_login(request)
            fields = await read_form(request)
            given = fields.pop(FORM_TOKEN, "")
            expected = self.form_token(session)
            if not _same_origin(request) or not hmac.compare_digest(given.encode(), expected.encode()):
                raise HTTPException(403, "This form is too old, or another site sent it. Open the page again.")
            return await act(session, fields)

        return guarded

    def form_token(self, session: Session) -> str:
        """Return what each form of this session must send along."""
        return self._sign(f"form|{session.id}")

    async def log_in(self, request: Request, token: str, name: str) -> Response | None:
        """Return the redirect into the console, with the session's cookie; None, after a delay, if the token is wrong.

        Raises HTTPException 403 and 429.
        """
        self._refuse_others(request)
        if not _same_origin(request):
            raise HTTPException(403, "Another site sent this form.")
        if self._token is None or not hmac.compare_digest(token.strip().encode(), self._token):
            await self._wrong_secrets.delay()
            return None
        response = RedirectResponse(local_path(request.query_params.get("next", "")), 303)
        self._set_cookie(request, response, self._new(" ".join(name.split())[:_MAX_NAME] or "somebody"))
        return response

    def log_out(self, response: Response) -> None:
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")

    def _refuse_others(self, request: Request) -> None:
        """Raise HTTPException 403 where the console is closed."""
        if self._token is not None:
            return
        if not self._open:
            raise HTTPException(403, "closed: set web.api_token, because web.host is not a loopback address")
        if not is_loopback(request.url.hostname or "") or not _same_origin(request):
            raise HTTPException(403, "closed to calls from web pages: set web.api_token and send it")

    def _new(self, name: str) -> Session:
        return Session(name, self._clock.now(), secrets.token_hex(16))

    def _session(self, request: Request) -> Session | None:
        value, _, signature = request.cookies.get(COOKIE, "").rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(value).encode()):
            return None
        try:
            name, began_at, id_ = base64.urlsafe_b64decode(value).decode().split("\0")
        except (binascii.Error, ValueError):
            return None
        session = Session(name, int(began_at), id_)
        if self._token is None and not is_loopback(request.url.hostname or ""):
            return None
        return session if 0 <= self._clock.now() - session.began_at < LASTS else None

    def _set_cookie(self, request: Request, response: Response, session: Session) -> None:
        text = "\0".join((session.name, str(session.began_at), session.id))
        value = base64.urlsafe_b64encode(text.encode()).decode()
        # A proxy that ends TLS says so; whoever claims it falsely only harms their own session.
        is_secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
        response.set_cookie(
            COOKIE,
            f"{value}.{self._sign(value)}",
            max_age=LASTS // 1_000,
            path="/",
            httponly=True,
            samesite="strict",
            secure=is_secure,
        )

    def _sign(self, text: str) -> str:
        return hmac.digest(self._key, text.encode(), hashlib.sha256).hex()


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of an urlencoded form; of a repeated one the last. Raises HTTPException 400, 408 and 413."""
    body = await read_body(request, "The form is too long.")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100))
    except ValueError:
        raise HTTPException(400, "The form cannot be read.") from None


def local_path(path: str) -> str:
    """Return the path if it leads to a page of the console, and else the first page."""
    is_local = path.startswith("/") and not path.startswith(("//", "/\\", "/api", "/log"))
    return path if is_local and path.isprintable() else "/"


def _same_origin(request: Request) -> bool:
    """Return whether a page of this console caused the request, or no page at all."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def _to_login(request: Request) -> Response:
    """Send the browser to the login, and back afterwards; a part of a page that is renewed sends the whole page."""
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    login = "/login" if request.method != "GET" else f"/login?{urlencode({'next': target})}"
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": login})
    return RedirectResponse(login, 303)
