"""Adapters for other libraries, one module for each; nothing here is imported by the rest."""
