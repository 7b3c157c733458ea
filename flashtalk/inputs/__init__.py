"""Step 1: a picture and a voice, from the outside world to checked, plain arrays.

``portrait.load_portrait`` and ``speech.load_speech`` are the two doors. Everything a person can
hand in wrongly is answered here with a sentence; behind them, code trusts its callers.
"""
