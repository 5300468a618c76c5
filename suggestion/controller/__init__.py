"""The controller: what runs next, and when an experiment has ended."""
