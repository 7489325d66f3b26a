"""The operators' pages: a browser's requests come in, HTML goes out. What they show and do is the API's.

`routes` (read it first) lists the pages; `pages` shows, `forms` does what a form says, `login` lets people in;
`questions` reads what they ask, `confirmation` counts what an action would concern; `rendering` fills `templates/` with
the numbers of `charts`. Pages need no script: `static/htmx.min.js` only renews them, and `static/console.js`
lets that happen when nobody is in the middle of something.
"""
