"""A real SMTP server on loopback, which refuses what a test tells it to."""

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP as Server
from aiosmtpd.smtp import AuthResult

from tests.mail_server import MailServer
from tests.self_signed import self_signed

HOST = "127.0.0.1"


@dataclass
class Post:
    """What the server was given, and what it says at each stage instead of taking it (empty: it takes it)."""

    taken: list[Any] = field(default_factory=list)
    at_sender: str = ""
    at_recipient: str = ""
    at_data: str = ""
    says_after_taking: str = "250 taken"
    hangs_up: bool = False
    """Once it has the whole message, before a word about it."""
    port: int = 0

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        envelope.mail_from = address
        return self.at_sender or "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if self.at_recipient:
            return self.at_recipient
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.hangs_up:
            server.transport.abort()
            return "421 gone"
        if self.at_data:
            return self.at_data
        self.taken.append(envelope)
        return self.says_after_taking


Serve = Callable[..., Post]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server; `settings` are aiosmtpd's."""
    running: list[MailServer] = []

    def started(**settings: Any) -> Post:
        post = Post()
        controller = MailServer(post, hostname=HOST, port=0, **settings)
        controller.start()
        running.append(controller)
        post.port = controller.port
        return post

    yield started
    for controller in running:
        controller.stop()


def only(user: str, password: str) -> Callable[..., AuthResult]:
    """Lets in whoever says both."""

    def judge(server: Server, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (user.encode(), password.encode()), handled=False)

    return judge


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context for 127.0.0.1, and a client's that trusts it."""
    server, file = self_signed(tmp_path_factory.mktemp("tls"))
    return server, ssl.create_default_context(cafile=file)
