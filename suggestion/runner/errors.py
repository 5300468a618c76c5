"""Why an experiment is not run."""

from __future__ import annotations


class ExperimentRefused(Exception):
    """The experiment cannot be run as it is; the text is for the user."""
