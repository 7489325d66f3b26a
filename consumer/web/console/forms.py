"""Does what a form says, and leads back to the page with a sentence about it."""

import asyncio
import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from consumer.ledger.queries.operating.journal import Actor
from consumer.web.api.actions import (
    ActionRefused,
    CancelQuestion,
    LikelyOptOutQuestion,
    PauseQuestion,
    ResolveQuestion,
)
from consumer.web.api.operation import Question
from consumer.web.api.person import NobodyFound, RevealQuestion
from consumer.web.api.routes import Api, Views
from consumer.web.console.pages import Pages
from consumer.web.console.questions import question
from consumer.web.session import Form, Session

Act: TypeAlias = Callable[[Any, Actor], Any]


class Forms:
    """Acts."""

    def __init__(self, api: Api, pages: Pages) -> None:
        self._api = api
        self._pages = pages

    def all(self) -> dict[str, Form]:
        """Return the forms that this process can act on, by name."""
        found: dict[str, Form] = {}
        if self._api.brake is not None:
            found["release"] = self._guarded(self._release)
        if self._api.views is not None:
            found |= {name: self._guarded(form) for name, form in self._of_ledger(self._api.views).items()}
        return found

    def _of_ledger(self, views: Views) -> dict[str, Form]:
        does = views.actions
        offered: dict[str, tuple[type[Question], Act]] = {
            "pause": (PauseQuestion, does.pause),
            "resume": (PauseQuestion, does.resume),
            "cancel": (CancelQuestion, does.cancel),
            "resolve": (ResolveQuestion, does.resolve),
            "likely-opt-out": (LikelyOptOutQuestion, does.settle_likely_opt_out),
        }
        forms: dict[str, Form] = {name: functools.partial(_act, kind, act) for name, (kind, act) in offered.items()}
        return {**forms, "reveal": functools.partial(self._reveal, views)}

    async def _reveal(self, views: Views, session: Session, fields: Mapping[str, str]) -> Response:
        asked = question(RevealQuestion, fields)
        found = await asyncio.to_thread(views.person.reveal, asked, _actor(session))
        return self._pages.show(None, session, "revealed.html", found=found)

    async def _release(self, session: Session, fields: Mapping[str, str]) -> Response:
        assert self._api.brake is not None
        before = await self._api.brake.release(_actor(session))
        return _back(
            f"The brake is released; it held {before.held:,} lapses back." if before.words else "Nothing was held back."
        )

    def _guarded(self, form: Form) -> Form:
        async def act(session: Session, fields: Mapping[str, str]) -> Response:
            try:
                return await self._pages.or_problem(None, session, form(session, fields))
            except (ActionRefused, NobodyFound) as refused:
                return self._pages.problem(None, session, f"Nothing was done: {refused}.", 409)

        return act


async def _act(kind: type[Question], act: Act, session: Session, fields: Mapping[str, str]) -> Response:
    done = await asyncio.to_thread(act, question(kind, fields), _actor(session))
    return _back(done.words)


def _actor(session: Session) -> Actor:
    return Actor(session.name, "console")


def _back(words: str) -> Response:
    return RedirectResponse(f"/needs?{urlencode({'said': words})}", 303)
