"""Compare: settings side by side on the same portrait, voice and seed, measured and voted on.

::

    POST compare ──────────► asked.py: what is wanted ──► comparison.py: one talk after another
    GET  compare/ID ◄────────────────────────────────────────┘ films, figures, a report

``flashtalk evaluate`` does the same in a shell; both use :mod:`flashtalk.evaluation`.
"""
