"""The pages. Each asks the API's views and fills a template."""

import asyncio
import functools
from collections.abc import Awaitable
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from consumer.insight.curve_drawing import draw
from consumer.web.api.funnel import FunnelQuestion, PeopleQuestion
from consumer.web.api.journal import JournalQuestion
from consumer.web.api.needs import NeedsQuestion
from consumer.web.api.person import NobodyFound, PersonQuestion
from consumer.web.api.routes import Api, Views
from consumer.web.console.charts import bars_of, reason_days, uplift_axis
from consumer.web.console.confirmation import prepare
from consumer.web.console.questions import address, date_of, days, question
from consumer.web.console.rendering import Renderer
from consumer.web.session import ConsoleGuard, Page, Session

log = structlog.get_logger()


class Pages:
    """Shows."""

    def __init__(self, api: Api, guard: ConsoleGuard, renderer: Renderer) -> None:
        self._api = api
        self._guard = guard
        self._renderer = renderer

    def of_ledger(self) -> dict[str, Page]:
        """Return by path the pages that show what the ledger knows."""
        pages = {
            "/funnel": self._funnel,
            "/people": self._people,
            "/person": self._person,
            "/needs": self._needs,
            "/confirm": self._confirm,
            "/insight": self._insight,
            "/journal": self._journal,
        }
        return {path: functools.partial(self._with_ledger, page) for path, page in pages.items()}

    async def now(self, request: Request, session: Session) -> Response:
        return await self.or_problem(request, session, self._now(request, session))

    def show(
        self, request: Request | None, session: Session, template: str, status: int = 200, **values: Any
    ) -> Response:
        """Return a page of this session."""
        path = request.url.path if request else ""
        here = path + (f"?{request.url.query}" if request and request.url.query else "")
        return self._renderer.page(
            template,
            status,
            path=path,
            here=here,
            session=session,
            form_token=self._guard.form_token(session),
            asks_for_token=self._guard.asks_for_token,
            said=request.query_params.get("said", "")[:300] if request else "",
            has_ledger=self._api.views is not None,
            **values,
        )

    async def _with_ledger(self, page: Any, request: Request, session: Session) -> Response:
        """Show the page, or why it cannot be shown."""
        if self._api.views is None:
            words = "This process runs detect only. Open the console of a process that runs deliver."
            return self.problem(request, session, words, 404)
        return await self.or_problem(request, session, page(request, session, self._api.views))

    async def or_problem(self, request: Request | None, session: Session, page: Awaitable[Response]) -> Response:
        """Return the page, or one that says why it is refused, or that the ledger is out of reach."""
        try:
            return await page
        except HTTPException as refused:
            return self.problem(request, session, refused.detail, refused.status_code)
        except SQLAlchemyError as problem:
            log.warning("ledger_did_not_answer", error=type(problem).__name__)
            words = "The ledger does not answer. What the parts say is at /readyz."
            return self.problem(request, session, words, 503)

    def problem(self, request: Request | None, session: Session, words: str, status: int) -> Response:
        """Return a page that says what is wrong."""
        return self.show(request, session, "problem.html", status, words=words)

    async def _now(self, request: Request, session: Session) -> Response:
        return self.show(request, session, "now.html", now=await self._api.now())

    async def _funnel(self, request: Request, session: Session, views: Views) -> Response:
        asked = question(FunnelQuestion, days(request.query_params))
        found = await self._api.funnel(asked)
        return self.show(
            request,
            session,
            "funnel.html",
            funnel=found,
            asked=asked,
            bars=[(step, bars_of(step)) for step in found.steps],
            reasons=reason_days(found.reasons),
            first_day=date_of(found.since),
            last_day=date_of(found.until - 1),
            processes=list(dict.fromkeys([*views.processes, *(each.process for each in found.steps)])),
        )

    async def _people(self, request: Request, session: Session, views: Views) -> Response:
        asked = question(PeopleQuestion, request.query_params)
        found = await asyncio.to_thread(views.funnel.people, asked)
        return self.show(request, session, "people.html", found=found, asked=asked)

    async def _person(self, request: Request, session: Session, views: Views) -> Response:
        text = request.query_params.get("q", "").replace("\0", "").strip()[:255]
        if text:
            return await self._search(request, session, views, text)
        if "id" not in request.query_params:
            return self.show(request, session, "person.html", story=None, asked=None, text="")
        asked = question(PersonQuestion, request.query_params)
        try:
            story = await asyncio.to_thread(views.person.story, asked)
        except NobodyFound as problem:
            raise HTTPException(404, f"{problem}.".capitalize()) from None
        return self.show(request, session, "person.html", story=story, asked=asked, text=story.user_id)

    async def _search(self, request: Request, session: Session, views: Views, text: str) -> Response:
        try:
            found = await asyncio.to_thread(views.person.find, text)
        except NobodyFound:
            asked = PersonQuestion(id=text)
            return self.show(request, session, "person.html", 404, story=None, asked=asked, text=text)
        return RedirectResponse(address(found, "/person"), 303)

    async def _needs(self, request: Request, session: Session, views: Views) -> Response:
        asked = question(NeedsQuestion, request.query_params)
        found, now = await self._api.needs(asked), await self._api.now()
        return self.show(request, session, "needs.html", needs=found, now=now, asked=asked)

    async def _confirm(self, request: Request, session: Session, views: Views) -> Response:
        """Show how many reminders an action would concern, before it is done."""
        prepared = await asyncio.to_thread(prepare, views, request.query_params)
        return self.show(request, session, "confirm.html", prepared=prepared)

    async def _insight(self, request: Request, session: Session, views: Views) -> Response:
        found = await self._api.insight()
        axes = [(each, uplift_axis(each)) for each in found.uplifts]
        drawings = {}
        if found.backtest is not None:
            replayed = found.backtest.backtest
            drawings = {name: draw(rows, replayed.configured(name)) for name, rows in replayed.curves.items() if rows}
        return self.show(request, session, "insight.html", insight=found, axes=axes, drawings=drawings)

    async def _journal(self, request: Request, session: Session, views: Views) -> Response:
        asked = question(JournalQuestion, request.query_params)
        found = await asyncio.to_thread(views.journal.read, asked)
        return self.show(request, session, "journal.html", journal=found, asked=asked)
