"""Adapters of published networks: Wan VAE, wav2vec 2.0, umT5, CLIP."""
