"""The connection of this process to a cluster of Ray: one at a time."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from suggestion.controller.runtime import Unavailable

# Ray ends a process whose head has been away for so long: after `head.LONGEST`, which says why.
_HEAD_SECONDS: Final = "900"
_REACH: Final = 10.0


def connect(address: str, namespace: str = "", folder: Path | None = None, kept: str = "") -> Any:
    """Connect to a cluster; return the module ``ray``.

    Args:
        namespace: Of the actors.
        folder: That travels with the trials; None: nothing does.
        kept: Folder below it that stays here.

    Raises:
        Unavailable: If it does not answer.
    """
    os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", _HEAD_SECONDS)
    import ray  # noqa: PLC0415

    env: Mapping[str, Any] = {}
    if folder is not None:
        env = {"working_dir": str(folder), "excludes": [".git", *([f"/{kept}"] if kept else [])]}
    if ray.is_initialized():
        ray.shutdown()
    try:
        with _own_signals():
            ray.init(
                address=address,
                namespace=namespace or None,
                runtime_env=dict(env),
                log_to_driver=False,
                logging_level=logging.ERROR,
                configure_logging=False,
            )
    except (ConnectionError, RuntimeError, ValueError) as error:
        text = " ".join(str(error).split())[:300]
        raise Unavailable(f"--runtime ray: no cluster answers at {address}: {text}") from error
    return ray


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep what this process does at signals, which Ray would change."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        with suppress(ValueError):  # not in the main thread, where Ray changes none either
            for number, handler in before.items():
                signal.signal(number, handler)


def reach(address: str) -> None:
    """Try whether a cluster answers.

    Raises:
        Unavailable: If it does not.
    """
    host, _, port = address.rpartition(":")
    if host and "/" not in address and port.isdigit():  # which Ray would try for minutes
        try:
            socket.create_connection((host.strip("[]"), int(port)), _REACH).close()
        except (OSError, OverflowError) as error:
            text = f"--runtime ray: no cluster answers at {address}: {error}"
            raise Unavailable(text) from error
    connect(address).shutdown()
