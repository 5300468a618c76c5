"""Numerical methods that several algorithms share."""
