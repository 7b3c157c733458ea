"""The chunk loop: one pure step (``chunk.advance``) and the session that feeds it (``session``).

Live microphone, file and training roll-out all call the same step. What is carried on is an
explicit frozen ``state.SessionState`` and nothing of a visitor lives on a network.
"""
