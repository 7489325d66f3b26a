"""What the commands of `lapse` do. A command line's values come in, lines on the terminal and an exit status go out.

`cli.py` (above) and `subcommands.py` declare options and help; each module or folder here does one command's work in a
function `main` or one named after it. Folders: `check/`, `contacts/`, `dead_letters/`; `terminal/` is shared by all.
`kafka_probe` and `onemsg_channel` connect a command to Kafka and to 1MSG. Read `run.py` first.
"""
