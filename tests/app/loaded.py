"""Loads what `lapse run` and `lapse sandbox` load."""

import consumer.app
import consumer.cli
import consumer.commands.run
import consumer.commands.sandbox  # noqa: F401
