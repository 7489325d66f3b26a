"""The page at which people give the token, and say who they are."""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from consumer.web.console.rendering import Renderer
from consumer.web.session import ConsoleGuard, Session, local_path, read_form


class Login:
    """Lets people in and out."""

    def __init__(self, guard: ConsoleGuard, renderer: Renderer) -> None:
        self._guard = guard
        self._renderer = renderer

    async def page(self, request: Request) -> Response:
        if not self._guard.asks_for_token:
            return RedirectResponse("/", 303)
        return self._form(request)

    async def submit(self, request: Request) -> Response:
        fields = await read_form(request)
        try:
            let_in = await self._guard.log_in(request, fields.get("token", ""), fields.get("name", ""))
        except HTTPException as refused:
            status = HTTPStatus(refused.status_code)
            return self._form(request, refused.detail, status, name=fields.get("name", ""))
        wrong = "This is not the token that web.api_token names."
        return let_in or self._form(request, wrong, HTTPStatus.UNAUTHORIZED, name=fields.get("name", ""))

    async def leave(self, session: Session, fields: Mapping[str, str]) -> Response:
        response = RedirectResponse("/login", 303)
        self._guard.log_out(response)
        return response

    def _form(
        self, request: Request, problem: str = "", status: HTTPStatus = HTTPStatus.OK, *, name: str = ""
    ) -> Response:
        target = local_path(request.query_params.get("next", ""))
        return self._renderer.page("login.html", status, problem=problem, next=target, name=name)
