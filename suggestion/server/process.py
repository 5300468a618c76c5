"""What the process of a server asks of C and of CPython's internals; nothing else does.

`use_one_heap`: glibc gives every thread a heap of its own, and keeps in it what was freed. With a
memory limit of 100 MiB, 16 requests of 5 MiB at once took 98 MiB without it and 75 MiB with it, and
the compressed ones of 60 MiB that followed killed the server without it. ``MALLOC_ARENA_MAX`` says
the same, but only in the environment that a process is started with, which is not ours.

`end` ends the process at once, by ``os._exit``, after its exit functions.

Without it, gRPC is shut down first and tells calls that come too late CANCELLED instead of closing
their connections, which is UNAVAILABLE (grpc/grpc#41785); clients try again only after UNAVAILABLE.
In ten stops under load with six clients, 36 calls ended as CANCELLED without `end`, none with it.
Also, the usual end of an interpreter joins the threads of its pools, so a computation that does
not look at its deadline delays it for as long as it takes: with a grace period of 0.3 s, a stop
beside a computation of 60 s took more than 30 s, and takes 0.5 s. ``os._exit`` leaves exit
functions out, so they are called here, for which there is no public call; clients of clusters
remove their temporary files in them, for example.
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
    with contextlib.suppress(OSError, ValueError):  # nobody may read it any more
        sys.stdout.flush()
    os._exit(0)
