"""The algorithm protocol, its settings, and the registry of what is installed."""
