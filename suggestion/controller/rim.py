"""Everything through which a session has effects, in one place."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from suggestion.controller.context import Servers, View, Waiter, Workers
from suggestion.controller.moments import Timekeeper
from suggestion.controller.runtime import Runtime
from suggestion.controller.store import Store
from suggestion.controller.waiting import Bell


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

    @classmethod
    def of(
        cls, store: Store, runtime: Runtime, servers: Servers, view: View, clock: Timekeeper
    ) -> Rim:
        """Return the rim of a session on this machine: two threads for calls, and a bell."""
        return cls(
            store,
            runtime,
            servers,
            ThreadPoolExecutor(1, "ask"),
            ThreadPoolExecutor(1, "report"),
            Bell(clock, runtime.fileno(), store.expect_held),
            view,
            clock,
        )

    def close(self) -> None:
        """Take no more calls to servers, and let trials run on. The store stays open."""
        self.asker.shutdown(wait=False, cancel_futures=True)
        self.reporter.shutdown(wait=False, cancel_futures=True)
        self.waiter.close()
        self.runtime.close()
