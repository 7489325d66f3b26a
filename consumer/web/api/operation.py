"""One operation of the API: what it takes, what it answers, and the route and the description made from that.

Questions are checked by their model, answers are written by their class, and the OpenAPI document is derived from the
same two, so that it cannot say anything else.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import structlog
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consumer.ledger.queries.operating.journal import Actor
from consumer.web.auth import ApiGuard
from consumer.web.request_body import read_body

log = structlog.get_logger()
_API = Actor("whoever has web.api_token", "api")


Text = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]
"""An id or a name, as the ledger can have it."""


Whole = BeforeValidator(lambda value: int(value) if isinstance(value, float) and value.is_integer() else value)
"""Takes 7.0 for 7, as JSON does."""


class Question(BaseModel):
    """What is asked: the query of a GET, or the JSON body of a POST. Nothing else may be in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(Question):
    """There is nothing to ask for."""


@dataclass(frozen=True, slots=True)
class Operation:
    """`act` gets the question and who asks; it may raise HTTPException with a status of `errors`."""

    method: Literal["GET", "POST"]
    path: str
    summary: str
    question: type[Question]
    answer: Any
    act: Callable[[Any, Actor], Awaitable[Any]]
    errors: Mapping[int, str] = field(default_factory=dict)

    def route(self, guard: ApiGuard) -> Route:
        """Return the route, for those whom the guard lets pass."""
        adapter: TypeAdapter[Any] = TypeAdapter(self.answer)

        async def handle(request: Request) -> Response:
            question = await self._question(request)
            try:
                body = adapter.dump_json(await self.act(question, _API))
            except SQLAlchemyError as problem:
                log.warning("ledger_did_not_answer", path=self.path, error=type(problem).__name__)
                raise HTTPException(503, "the ledger does not answer: see /readyz") from None
            return Response(body, media_type="application/json", headers={"cache-control": "no-store"})

        return Route(self.path, guard(handle), methods=[self.method])

    async def _question(self, request: Request) -> Question:
        """Return the checked question. Raises HTTPException 400, 408, 413 and 415."""
        try:
            if self.method == "GET":
                given = request.query_params.multi_items()
                if len(given) != len(dict(given)):
                    raise HTTPException(400, "each parameter may be given once")
                return self.question.model_validate(dict(given))
            if self.question is Nothing:
                return Nothing()
            return self.question.model_validate_json(await _json_body(request), strict=True)
        except ValidationError as problem:
            raise HTTPException(400, _words(problem)) from None


async def _json_body(request: Request) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send JSON, with content-type: application/json")
    return await read_body(request, "the body is too long")


def _words(problem: ValidationError) -> str:
    """Return what is wrong, without the values: they may be personal."""
    return "; ".join(
        f"{'.'.join(map(str, error['loc'])) or 'the request'}: {error['msg']}"
        for error in problem.errors(include_url=False, include_context=False, include_input=False)
    )
