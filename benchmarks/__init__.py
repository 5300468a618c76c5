"""Measurements of quality, speed and memory; none of them is part of the tests."""
