"""How fast this machine is just now."""

from __future__ import annotations

import resource
import subprocess
import sys


def imports() -> float:
    """CPU seconds, user's and system's, of a process that imports grpc and numpy; least of three.

    On one and the same shared machine it was seen between 0.15 and 0.8; what is measured in CPU
    seconds goes with it.
    """

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    least = float("inf")
    for _ in range(3):
        before = spent()
        subprocess.run([sys.executable, "-c", "import grpc, numpy"], check=True)
        least = min(least, spent() - before)
    return least


def line() -> str:
    """A line to print before figures in CPU seconds."""
    return f"importing grpc and numpy takes {imports():.2f} s of CPU just now; figures go with that"
