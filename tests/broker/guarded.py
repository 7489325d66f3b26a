"""A broker as companies run it: TLS with a private authority, every way to log in, and rights for whatever one does."""

import base64
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from ..http_server import Handler, http_server
from .broker import free_ports
from .certificates import PrivateAuthority
from .local import LocalBroker

USERS = ("detect", "deliver", "lapse")
"""`lapse` may do everything, `detect` and `deliver` what they were granted."""
Client: TypeAlias = dict[str, Any]
_SASL = "org.apache.kafka.common.security"


def password_of(user: str) -> str:
    return f"{user}-has-a-password"


class GuardedBroker:
    """One port for logins by SASL over TLS, one for client certificates; without either everything is allowed."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="lapse-authority-")
        self.folder = Path(self._folder.name)
        self.authority, self.stranger = PrivateAuthority(self.folder), PrivateAuthority(self.folder, "a stranger")
        sasl_port, tls_port = free_ports(2)
        self.sasl, self.tls = f"127.0.0.1:{sasl_port}", f"127.0.0.1:{tls_port}"
        self.broker = LocalBroker(more=self._settings(), listeners={"LOGIN": sasl_port, "CERTIFICATE": tls_port})
        self.broker.start()
        self.admin = AdminClient({"bootstrap.servers": self.broker.bootstrap})
        scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        for user in USERS:
            credential = UserScramCredentialUpsertion(user, scram, password_of(user).encode())
            self.admin.alter_user_scram_credentials([credential])[user].result(30)

    def client(self, user: str, mechanism: str = "PLAIN", **more: Any) -> Client:
        """Return `kafka.client` for this user; `more` are its settings with underscores for dots."""
        login = {
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(self.authority.file),
            "sasl.mechanisms": mechanism,
            "sasl.username": user,
            "sasl.password": password_of(user),
        }
        return login | _dotted(more)

    def token_client(self, issuer: str, secret: str = "a-client-secret", **more: Any) -> Client:
        """Return the same for one that gets its tokens from `issuer`."""
        login = self.client("", "OAUTHBEARER", **more)
        del login["sasl.username"], login["sasl.password"]
        oidc = {"method": "oidc", "client.id": "lapse", "client.secret": secret, "token.endpoint.url": issuer}
        return login | {f"sasl.oauthbearer.{key}": value for key, value in oidc.items()}

    def certificate_client(self, user: str, authority: PrivateAuthority | None = None) -> Client:
        """Return the same for one that shows a certificate."""
        certificate, key = (authority or self.authority).sign(user)
        return {
            "security.protocol": "SSL",
            "ssl.ca.location": str(self.authority.file),
            "ssl.certificate.location": str(certificate),
            "ssl.key.location": str(key),
        }

    def close(self) -> None:
        self.broker.close()
        self._folder.cleanup()

    def _settings(self) -> Mapping[str, str]:
        certificate, key = self.authority.sign("broker")
        keystore = self.folder / "keystore.pem"
        keystore.write_text(key.read_text() + certificate.read_text())
        passwords = " ".join(f'user_{user}="{password_of(user)}"' for user in USERS)
        login = "listener.name.login"
        return {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS;User:lapse",
            "listener.security.protocol.map": (
                "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,LOGIN:SASL_SSL,CERTIFICATE:SSL"
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(keystore),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority.file),
            "ssl.principal.mapping.rules": "RULE:^CN=(.*)$/$1/",
            "listener.name.certificate.ssl.client.auth": "required",
            f"{login}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512,OAUTHBEARER",
            f"{login}.plain.sasl.jaas.config": f"{_SASL}.plain.PlainLoginModule required {passwords};",
            f"{login}.scram-sha-512.sasl.jaas.config": f"{_SASL}.scram.ScramLoginModule required;",
            f"{login}.oauthbearer.sasl.jaas.config": (
                f'{_SASL}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";'
            ),
        }


def _dotted(settings: Mapping[str, Any]) -> Client:
    return {key.replace("_", "."): value for key, value in settings.items()}


@contextmanager
def token_issuer(*, lifetime_s: int = 3600, issued_ago_s: int = 0) -> Iterator[str]:
    """An endpoint that gives the client `lapse` tokens (JWT without a signature), which such a broker accepts."""

    class Issuer(Handler):
        def do_POST(self) -> None:
            self.body()
            login = base64.b64decode(self.headers["Authorization"].removeprefix("Basic "))
            issued = int(time.time()) - issued_ago_s
            claims = {"sub": "lapse", "iat": issued, "exp": issued + lifetime_s}
            token = f"{_encoded({'alg': 'none'})}.{_encoded(claims)}."
            known = login == b"lapse:a-client-secret"
            answer = {"access_token": token, "token_type": "Bearer"} if known else {"error": "invalid_client"}
            self.answer(200 if known else 401, json.dumps(answer).encode(), Content_Type="application/json")

    with http_server(Issuer) as url:
        yield f"{url}/token"


def _encoded(part: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
