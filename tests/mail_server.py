"""A real mail server, for handlers that a test writes."""

from aiosmtpd.controller import Controller


class MailServer(Controller):
    """Listens on a free port, which `port` tells once it has started."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        super()._trigger_server()  # type: ignore[no-untyped-call]
