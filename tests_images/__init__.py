"""Tests of the built images, on a real container engine: ``make test-images``."""
