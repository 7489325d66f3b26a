"""`lapse init`: a look at a topic comes in, a commented `lapse.yaml` that `lapse check` accepts goes out.

`command` (read it first) looks, asks and writes. `proposals` guesses from events where user, time and event name are:
pure. `questions` asks a person, or takes what was given as flags; `channel` does so for 1MSG, which it asks for its
templates. `config_text` is the file.
"""
