"""Data sets of the trainings: clips, latents, speech, photographs, talks."""
