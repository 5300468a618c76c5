"""``python -m conformance_tests``: the same as ``suggest check``."""

from conformance_tests.cli import check

check(prog_name="python -m conformance_tests")
