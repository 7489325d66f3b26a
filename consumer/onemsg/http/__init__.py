"""HTTP as 1MSG needs it: `transport.py` (read it first) sends one request and returns the answer's bytes,
`transport_errors.py` turns failures into outcomes, `lenient_json.py` reads JSON whose form is not reliable."""
