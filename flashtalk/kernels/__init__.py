"""Attention and its adapters: below the networks, which call them; see ``attention.py``."""
