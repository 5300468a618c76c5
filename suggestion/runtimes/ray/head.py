"""Whether the head of a cluster of Ray is there, and is still the one that made the actors.

Ray's calls wait for their head inside C++ and never say so, and a head that has come back without
its state is no error to them: calls of its predecessor's actors wait for ever. A thread asks it.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from typing import Final

#: A head is waited for this long, in seconds.
LONGEST: Final = 600.0
_PERIOD: Final = 5.0
# After that, for whoever waits inside Ray for a head that does not come.
_LEAVE: Final = 60.0


def identity(address: str) -> str:
    """Return what no other head has, unless it has the state of this one.

    Raises:
        Exception: If it does not answer.
    """
    from ray._raylet import GcsClient  # noqa: PLC0415

    return str(GcsClient(address=address).cluster_id.hex())


class Head:
    """A thread that asks the head every five seconds, until `close`.

    Args:
        address: Of the head, as Ray's context has it.

    Attributes:
        replaced: A head answers that knows none of the actors.
        gone: It has been away for too long.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._first = identity(address)
        self._away: float | None = None
        self._said: list[str] = []
        self._over = threading.Event()
        self.replaced = False
        self.gone = False
        threading.Thread(target=self._watch, name="ray-head", daemon=True).start()

    @property
    def answers(self) -> bool:
        """Whether it did when it was last asked, and has its actors."""
        return self._away is None and not self.replaced

    @property
    def trouble(self) -> str:
        """Why it is no longer waited for."""
        return f"the head at {self._address} has not answered for {LONGEST:.0f} s"

    def said(self) -> list[str]:
        """Return what people should know that has not been returned before."""
        seen, self._said = self._said, []
        return seen

    def close(self) -> None:
        """Ask no more."""
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(_PERIOD):
            try:
                found = identity(self._address)
            except Exception as error:
                logging.getLogger(__name__).debug("%s: %s", self._address, error)
                if self._missed():
                    return
                continue
            if found != self._first:
                self._said.append(f"the head at {self._address} has come back without its state")
                self.replaced = True
                return
            if self._away is not None:
                self._said.append(f"the head at {self._address} answers again")
                self._away = None

    def _missed(self) -> bool:
        """Note that it has not answered; return whether it is given up."""
        now = time.monotonic()
        if self._away is None:
            self._away = now - _PERIOD
            text = f"the head at {self._address} does not answer; it is waited for"
            self._said.append(f"{text} up to {LONGEST:.0f} s")
        if now - self._away < LONGEST:
            return False
        self.gone = True
        if not self._over.wait(_LEAVE):  # the session waits inside Ray, and cannot be told
            sys.stderr.write(f"Error: --runtime ray: {self.trouble}\n")
            sys.stderr.flush()
            os._exit(1)
        return True
