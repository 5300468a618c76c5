"""The page about experiments, its server, and what it reads."""
