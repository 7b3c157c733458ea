"""Checkpoints of trainings: average two, export one, import what ships."""
