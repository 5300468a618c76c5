"""The algorithms: one folder each, found through entry points."""
