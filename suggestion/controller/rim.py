"""Everything through which a session has effects, in one place."""

from __future__ import annotations

from dataclasses import dataclass

from suggestion.controller.context import Servers, View, Waiter, Workers
from suggestion.controller.moments import Timekeeper
from suggestion.controller.runtime import Runtime
from suggestion.controller.store import Store


@dataclass(frozen=True, slots=True)
class Rim:
    """What a session acts through.

    Attributes:
        asker, reporter: Where calls to servers are made.
    """

    store: Store
    runtime: Runtime
    servers: Servers
    asker: Workers
    reporter: Workers
    waiter: Waiter
    view: View
    clock: Timekeeper

    def close(self) -> None:
        """Take no more calls to servers, and let trials run on. The store stays open."""
        self.asker.shutdown(wait=False, cancel_futures=True)
        self.reporter.shutdown(wait=False, cancel_futures=True)
        self.waiter.close()
        self.runtime.close()
