"""Speak live: sound comes in piece by piece, fragments of video go out.

::

    POST live ──────────────► talks.py: who speaks, by an id ──► talk.py: one talk, one thread
    POST live/ID/sound ─────► LiveSpeech ──► session ──► film ──► mailbox.py
    GET  live/ID/messages ◄────────────────────────────────────────┘

The page and programs use the same routes (``routes.py``); docs/live-speech.md describes them.
"""
