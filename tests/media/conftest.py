"""A real SMTP server on loopback, which refuses what a test asks it to; and a certificate that nobody else trusts."""

import datetime
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP as Server
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"


@dataclass
class Post:
    """What the server was given, and what it says at each stage instead of taking it (empty: it takes it)."""

    taken: list[Any] = field(default_factory=list)
    at_sender: str = ""
    at_recipient: str = ""
    at_data: str = ""
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
        return "250 taken"


class _OnAFreePort(Controller):
    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        super()._trigger_server()  # type: ignore[no-untyped-call]


Serve = Callable[..., Post]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server; `settings` are aiosmtpd's."""
    running: list[Controller] = []

    def started(**settings: Any) -> Post:
        post = Post()
        controller = _OnAFreePort(post, hostname=HOST, port=0, **settings)
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
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example")])
    alternative = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(HOST))])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(x509.random_serial_number()).add_extension(alternative, critical=False)
    day = datetime.timedelta(days=1)
    signed = built.not_valid_before(now - day).not_valid_after(now + day).sign(key, hashes.SHA256())
    pem = signed.public_bytes(serialization.Encoding.PEM)
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    file: Path = tmp_path_factory.mktemp("tls") / "both.pem"
    file.write_bytes(private + pem)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=pem.decode())
