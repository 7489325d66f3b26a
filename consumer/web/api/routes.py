"""The operations of the JSON API, and the views that they and the console's pages share."""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.routing import Route

from consumer.insight.explanation import PersonStory
from consumer.ledger.queries.operating.journal import Actor
from consumer.web.api import actions, funnel, insight, journal, needs, openapi, person
from consumer.web.api.actions import ActionRefused, Actions, Done
from consumer.web.api.brake import BrakeApi
from consumer.web.api.now import Now, NowView
from consumer.web.api.operation import Nothing, Operation
from consumer.web.api.reuse import Reuse
from consumer.web.auth import ApiGuard

T = TypeVar("T")
_NOBODY = {404: "There is nobody of this id"}
_REFUSED = {409: "It cannot be done, or no longer"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """What pages and API read and do where deliver runs."""

    funnel: funnel.FunnelView
    person: person.PersonView
    needs: needs.NeedsView
    insight: insight.InsightView
    journal: journal.JournalView
    actions: Actions
    processes: Sequence[str]
    """The names of the configuration."""


class Api:
    """Answers. `views` is None where only detect runs, `brake` where only deliver does."""

    def __init__(
        self, now: NowView, views: Views | None, brake: BrakeApi | None, reuse: Reuse[Any], *, needs_token: bool
    ) -> None:
        self._now = now
        self._needs_token = needs_token
        self.views = views
        self.brake = brake
        self._reuse = reuse

    async def now(self) -> Now:
        return await self._reused("now", self._now.read)

    async def funnel(self, asked: funnel.FunnelQuestion) -> funnel.Funnel:
        view = self._views.funnel
        return await self._reused(asked, lambda: view.read(asked))

    async def needs(self, asked: needs.NeedsQuestion) -> needs.Needs:
        view = self._views.needs
        return await self._reused(asked, lambda: view.read(asked))

    async def insight(self) -> insight.Insight:
        return await self._reused("insight", self._views.insight.read)

    async def _reused(self, question: Hashable, make: Callable[[], T]) -> T:
        found: T = await self._reuse.get(question, make)
        return found

    @property
    def _views(self) -> Views:
        assert self.views is not None  # those operations are only there with views
        return self.views

    def operations(self) -> list[Operation]:
        """Return what this process offers."""
        found = [
            Operation("GET", "/api/now", "Is all well?", Nothing, Now, lambda asked, by: self.now()),
            Operation("GET", "/api/openapi.json", "This description", Nothing, dict[str, Any], self.describe),
        ]
        if self.views is not None:
            found += [*self._looking(self.views), *_acting(self.views.actions)]
        return [*found, *(self.brake.operations() if self.brake else [])]

    async def describe(self, asked: Nothing, by: Actor) -> dict[str, Any]:
        return openapi.document(self.operations(), needs_token=self._needs_token)

    def routes(self, guard: ApiGuard) -> list[Route]:
        """Return the routes, for those whom the guard lets pass."""
        return [each.route(guard) for each in self.operations()]

    def _looking(self, views: Views) -> list[Operation]:
        return [
            Operation(
                "GET",
                "/api/funnel",
                "What became of the reminders of a span of time",
                funnel.FunnelQuestion,
                funnel.Funnel,
                lambda asked, by: self.funnel(asked),
            ),
            Operation(
                "GET",
                "/api/people",
                "Who was not written to, for a reason",
                funnel.PeopleQuestion,
                funnel.People,
                lambda asked, by: asyncio.to_thread(views.funnel.people, asked),
            ),
            Operation(
                "GET",
                "/api/person",
                "One person's story",
                person.PersonQuestion,
                PersonStory,
                lambda asked, by: _answer(views.person.story, asked),
                _NOBODY,
            ),
            Operation(
                "POST",
                "/api/person/reveal",
                "One person's name and number; it is journalled",
                person.RevealQuestion,
                person.Revealed,
                lambda asked, by: _answer(views.person.reveal, asked, by),
                _NOBODY,
            ),
            Operation(
                "GET",
                "/api/needs",
                "What waits for a person's decision",
                needs.NeedsQuestion,
                needs.Needs,
                lambda asked, by: self.needs(asked),
            ),
            Operation(
                "GET",
                "/api/insight",
                "What the reminders bring",
                Nothing,
                insight.Insight,
                lambda asked, by: self.insight(),
            ),
            Operation(
                "GET",
                "/api/journal",
                "Who did what",
                journal.JournalQuestion,
                journal.Journal,
                lambda asked, by: asyncio.to_thread(views.journal.read, asked),
            ),
        ]


def _acting(does: Actions) -> list[Operation]:
    offered: list[tuple[str, str, type[Any], Callable[[Any, Actor], Done]]] = [
        ("pause", "Let nothing of a process go out, or of any", actions.PauseQuestion, does.pause),
        ("resume", "End a pause", actions.PauseQuestion, does.resume),
        ("cancel", "Cancel unsent reminders for good", actions.CancelQuestion, does.cancel),
        ("resolve", "Say whether messages in doubt were sent", actions.ResolveQuestion, does.resolve),
        (
            "settle-likely-opt-out",
            "Say whether somebody opted out in words of their own",
            actions.LikelyOptOutQuestion,
            does.settle_likely_opt_out,
        ),
    ]
    return [
        Operation("POST", f"/api/actions/{name}", summary, question, Done, _calling(act), _REFUSED)
        for name, summary, question, act in offered
    ]


def _calling(act: Callable[[Any, Actor], Done]) -> Callable[[Any, Actor], Any]:
    return lambda asked, by: _answer(act, asked, by)


async def _answer(act: Callable[..., T], *arguments: object) -> T:
    """Call it in a thread. Raises HTTPException 404 and 409."""
    try:
        return await asyncio.to_thread(act, *arguments)
    except person.NobodyFound as problem:
        raise HTTPException(404, str(problem)) from None
    except ActionRefused as problem:
        raise HTTPException(409, str(problem)) from None
