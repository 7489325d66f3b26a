"""The operators' JSON API: `brake.py` shows and releases detect's brake, `openapi.py` describes all pages."""
