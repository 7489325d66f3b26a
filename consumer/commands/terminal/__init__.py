"""How commands talk to people and scripts: exit statuses and error texts, lines of results, times as arguments."""
