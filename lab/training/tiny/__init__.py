"""Trainings of the embedded family's networks: landmarks, autoencoder, painters, speech."""
