"""Bytes of many rows at once, for code that takes a column as a whole. It knows nothing of what they say.

`column` is a sequence of bytes in one piece of memory: read it first. `text_spans` are texts among other bytes, which
`slices` cuts out; `siphash` and `compiled_texts` hash and compare them where they lie. `cells` joins bytes of several
columns, as records are put together.
"""
