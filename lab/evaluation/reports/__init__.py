"""Measurements -> tables and plots."""
