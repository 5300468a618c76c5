"""How good the suggestions are: regret on known problems, against other optimisers."""
