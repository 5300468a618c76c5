"""``python -m conformance_tests``: the same as ``suggest check``."""

from suggestion.conformance.cli import check

check(prog_name="python -m conformance_tests")
