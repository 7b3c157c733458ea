"""Finished talks -> figures and a report: how well lips, face and picture hold."""
