"""Linear algebra in one thread, also of libraries that are loaded late."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import numpy
from threadpoolctl import threadpool_info
from suggestion.numerics.blas import one_thread

def threads():
    return [found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"]

before = threads()
with one_thread():
    assert threads() == [1] * len(before), threads()
assert threads() == before == [2] * len(before), (threads(), before)
import scipy.linalg
both = threads()
assert len(both) > len(before), both
with one_thread():
    with one_thread():
        assert threads() == [1] * len(both), threads()
    assert threads() == [1] * len(both), threads()
assert threads() == both
"""


def test_a_library_that_is_loaded_later_is_limited_too() -> None:
    environment = {"OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
