"""Visitors of a served page, many at once: what they get, and what the server takes for it."""
