"""Runs an Experiment file on this machine: what puts the controller's parts together."""
