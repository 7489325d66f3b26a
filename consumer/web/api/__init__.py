"""The operators' JSON API: guarded requests come in, JSON goes out.

`brake.py` (read it first) shows and releases detect's brake, `openapi.py` describes all pages.
"""
