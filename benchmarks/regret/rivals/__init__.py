"""Optimisers of others, each in an environment of its own and called as its users call it."""
