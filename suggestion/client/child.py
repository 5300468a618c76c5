"""Run a module in a process that ends with its parent: ``python -m suggestion.client.child``.

Its arguments are the parent's process id, the module, and the module's own arguments.

A server that was started for one program must not outlive it, also when that program is killed by
SIGKILL, which no handler sees. Linux can do it: prctl(PR_SET_PDEATHSIG) makes the kernel send the
child SIGTERM when the *thread* that started it ends. Python has no function for prctl, and
``preexec_fn`` of subprocess is not safe with threads; hence this module, which calls it first. On
other systems the module runs without that promise.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def end_with(parent: int) -> None:
    """Ask the kernel for SIGTERM when the parent ends; exit if it is no longer `parent`."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the kernel was asked
        sys.exit()


def main() -> None:
    """Run the module of the command line as ``python -m`` does."""
    parent, module, *arguments = sys.argv[1:]
    end_with(int(parent))
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
