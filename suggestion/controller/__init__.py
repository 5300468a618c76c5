"""The controller of experiments: pure decisions, a store, and a driver that carries them out."""
