"""What the commands of `lapse` do. A command line's values come in, lines on the terminal and an exit status go out.

`cli.py` (above), `subcommands`, `getting_started` and `insight` declare options and help; each other module or folder
does one command's work, in a function `main` or one named after it. Folders for commands of several files: `check/`,
`contacts/`, `dead_letters/`, `init/`, `try_out/`, `explain/`, `report/`, `backtest/`, and `operations/` for the
operator; `terminal/` is shared by all. `kafka_probe`, `topic_sample` and `onemsg_channel` connect a command to Kafka
and to 1MSG; `topic_history` tells what a topic no longer holds. Read `run.py` first.
"""
