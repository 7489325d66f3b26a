"""A broker run by Docker."""

from typing import Any

import docker  # type: ignore[import-untyped]
from docker.errors import DockerException, ImageNotFound  # type: ignore[import-untyped]
from testcontainers.core.container import DockerContainer

from .broker import MISSED_SOON, Broker, NoBroker, free_ports, properties

IMAGE = "apache/kafka:4.1.1"
_CONTROLLER_PORT = 9093  # seen only inside the container
_LOG_TAIL = 30  # lines


def check_container() -> None:
    """Raise NoBroker where no Docker daemon answers, or where it cannot get the image."""
    try:
        docker.from_env(timeout=0.5).ping()
    except (DockerException, OSError) as error:
        raise NoBroker(f"no Docker daemon ({type(error).__name__})") from None
    images = docker.from_env().images
    try:
        try:
            images.get(IMAGE)
        except ImageNotFound:
            images.pull(IMAGE)
    except (DockerException, OSError) as error:
        raise NoBroker(f"Docker cannot get {IMAGE} ({type(error).__name__})") from None


class ContainerBroker(Broker):
    """A container whose port is the same inside and outside: clients are told one address by the broker itself."""

    def __init__(self, missed_after: int = MISSED_SOON) -> None:
        """Raises NoBroker: see `check_container`."""
        check_container()
        [port] = free_ports(1)
        self.bootstrap = f"127.0.0.1:{port}"
        where = {"listen": "0.0.0.0", "log_dir": "/tmp/kafka-data"}
        settings = properties(port, _CONTROLLER_PORT, **where, missed_after=missed_after)
        environ = {f"KAFKA_{key.upper().replace('.', '_')}": value for key, value in settings.items()}
        self._container = DockerContainer(IMAGE).with_envs(**environ, KAFKA_HEAP_OPTS="-Xmx256m")
        self._container.with_bind_ports(port, port)
        self._started = False

    def start(self) -> None:
        if self._started:
            self._docker().start()
        else:
            self._create()
        self.wait_until_up()

    def stop(self) -> None:
        self._docker().stop()

    def kill(self) -> None:
        self._docker().kill()

    def pause(self) -> None:
        self._docker().pause()

    def resume(self) -> None:
        self._docker().unpause()

    def close(self) -> None:
        self._container.stop()

    def alive(self) -> bool:
        container = self._docker()
        container.reload()
        return bool(container.status in ("created", "running", "paused"))

    def last_words(self) -> str:
        return str(self._docker().logs(tail=_LOG_TAIL), errors="replace")

    def _create(self) -> None:
        try:
            self._container.start()
        except (DockerException, OSError) as error:
            raise NoBroker(f"Docker does not run {IMAGE}: {error}") from None
        self._started = True

    def _docker(self) -> Any:
        return self._container.get_wrapped_container()
