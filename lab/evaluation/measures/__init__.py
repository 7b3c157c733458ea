"""Frames, sound and series -> figures: lips, likeness, color, sync."""
