"""Training of the embedded model: speech encoder, autoencoder, then the transformer (Stage 1).

Each module is an entry point that resumes from its newest checkpoint and can be stopped at any
time: ``python -m flashtalk.training.speech``, ``.autoencoder``, ``.stage1``, then ``.export``.
"""
