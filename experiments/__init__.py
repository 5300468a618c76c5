"""Runs an Experiment file on one machine: the controller's part of the contract."""
