"""The client's side: Experiment files, launching servers, and asking them."""
