"""`lapse demo-activity`: the platform and the CRM of docker-compose.yml, for the people of `lapse demo`."""

from contextlib import ExitStack, closing
from pathlib import Path

from consumer import log
from consumer.commands.demo import end_on_signal
from consumer.commands.terminal.exit_codes import DONE, CommandFailed
from consumer.config.loader import load
from consumer.demo.activity_producer import ActivityProducer
from consumer.demo.people import people
from consumer.kafka.clients.publisher import Publisher, PublishFailed
from consumer.wiring.shared import Shared

_SEED = 41  # the same people at each start, so that nobody has two contacts


def main(config: Path, count: int) -> int:
    """Write contacts once, and activities until Ctrl-C or SIGTERM; return the exit status.

    Raises:
        ConfigError: the settings are not right.
        CommandFailed: the broker did not take a record.
        RegistryUnavailable, SchemaRefused: our schemas cannot be registered.
    """
    settings = load(config)
    log.configure_for_command()
    shared = Shared(settings)
    now = shared.clock.now()
    with ExitStack() as stack:
        end = end_on_signal(stack)
        publisher = stack.enter_context(closing(Publisher(settings.kafka, shared.clock, name="demo-activity")))
        crowd = people(count, _SEED, now)
        # They do something else at each start, so that no two events have the same id.
        producer = ActivityProducer(publisher, settings, shared.codec, shared.clock, crowd, seed=now)
        try:
            producer.run(end)
        except PublishFailed as problem:
            raise CommandFailed(f"the broker did not take an event: {problem}") from problem
    return DONE
