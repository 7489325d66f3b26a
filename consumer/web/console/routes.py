"""The routes of the console."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consumer.web.api.routes import Api
from consumer.web.auth import Handler
from consumer.web.console.forms import Forms
from consumer.web.console.login import Login
from consumer.web.console.pages import Pages
from consumer.web.console.rendering import STATIC, Renderer, static_file
from consumer.web.session import ConsoleGuard

_STATIC_HEADERS = {"cache-control": "public, max-age=86400", "x-content-type-options": "nosniff"}


def routes(api: Api, guard: ConsoleGuard) -> list[Route]:
    """Return pages, forms and what belongs to them. Where only detect runs there is the first page alone."""
    renderer = Renderer()
    login = Login(guard, renderer)
    pages = Pages(api, guard, renderer)
    found = [
        Route("/", guard.page(pages.now)),
        Route("/login", login.page),
        Route("/login", login.submit, methods=["POST"]),
        Route("/logout", guard.form(login.leave), methods=["POST"]),
        *(Route(f"/static/{name}", _static(name)) for name in STATIC),
    ]
    for path, page in pages.of_ledger().items():
        found.append(Route(path, guard.page(page)))
    forms = Forms(api, pages)
    found += [Route(f"/do/{name}", guard.form(form), methods=["POST"]) for name, form in forms.all().items()]
    return found


def _static(name: str) -> Handler:
    content = static_file(name)

    async def serve(request: Request) -> Response:
        return Response(content, headers=_STATIC_HEADERS, media_type=STATIC[name])

    return serve
