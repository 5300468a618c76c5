"""What the process of a server asks of C and of CPython's internals; nothing else does.

`use_one_heap`: glibc gives every thread a heap of its own, a twentieth of the memory limit of 100
MiB for each worker; and once a large array has been freed, it lays further ones into the heap,
where what lies behind them decides what comes back. ``MALLOC_ARENA_MAX`` says the first, but only
in the environment that a process is started with, which is not ours.

`end`: a call that comes too late finds its connection closed, which is UNAVAILABLE, and clients try
again. If gRPC were shut down first it would tell such a call CANCELLED (grpc/grpc#41785), and they
give up. Also, an interpreter that ends in the usual way joins the threads of its pools first, and
so a computation that does not look at its deadline would hold up the end, for 50 minutes in the
test. ``os._exit`` leaves exit functions out, so they are called here; there is no public call.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import sys
from typing import Final, NoReturn

# Of <malloc.h>.
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8


def use_one_heap() -> None:
    """Have glibc keep one heap for all threads, and return large arrays when they are freed."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, 1)
        libc.mallopt(_M_MMAP_THRESHOLD, 2**20)


def end() -> NoReturn:
    """End the process with status 0, and its connections with it, after its exit functions."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(0)
