"""Bytes of many rows at once, for code that takes a column as a whole. It knows nothing of what they say.

`column` is a sequence of bytes in one piece of memory: read it first. `slices` cuts texts out of joined bytes, and
`cells` joins bytes of several columns, as records are put together.
"""
