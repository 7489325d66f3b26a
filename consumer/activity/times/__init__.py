"""Times in all the forms that events have them: numbers and texts in, whole milliseconds out.

Read `timestamps.py` first. `iso8601.py` parses texts, `local_time.py` finds the moment that a zone's clock shows.
"""
