"""Measurements: speed, memory and result quality. None of them is a test."""
