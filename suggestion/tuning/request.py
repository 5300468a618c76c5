"""What `tune` is asked for: the Experiment that it makes of it, and who suggests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from suggestion.controller.experiment import Limits
from suggestion.problem.errors import Invalid
from suggestion.runtimes.python.command import FUNCTION, command
from suggestion.tuning.errors import BrokenRule, InvalidArgument, attempt
from suggestion.tuning.goals import Method, experiment
from suggestion.tuning.learning import Learned
from suggestion.tuning.library import Suggest, stopping_rule
from suggestion.tuning.metrics import FILE
from suggestion.tuning.objectives import Objective
from suggestion.tuning.places import broken_rule
from suggestion.tuning.space import Space
from suggestion.tuning.tls import TLS

if TYPE_CHECKING:
    from suggestion.tuning.solvers import Solver

_TIMEOUT: Final = 60.0


@dataclass(frozen=True, slots=True)
class TuneRequest:
    """What is to be optimised, how, and how far.

    Attributes:
        stopping: The early-stopping rule; None without.
        target, tls: A server; None for the algorithms installed here.
        learned: What the algorithm learns from.
    """

    name: str
    space: Space
    objective: Objective
    algorithm: Method
    stopping: Method | None
    limits: Limits
    target: str | None
    tls: TLS | None
    learned: Learned

    def validate(self) -> None:
        """Check algorithm, settings and rule.

        Raises:
            InvalidArgument: With every rule that they break.
        """
        broken: list[BrokenRule] = []
        attempt(broken, self.algorithm.without_checkpoints)
        attempt(broken, self.rule)
        solver = attempt(broken, self._solver)
        if solver is not None:
            attempt(broken, solver.validate)
            solver.close()
        if broken:
            raise InvalidArgument(broken)

    def _solver(self) -> Solver:
        parallel, trials = self.limits.parallel, self.limits.trials or 0
        algorithm = self.algorithm.learning(self.learned.text)
        what = (self.name, self.space, self.objective, algorithm)
        if self.target is None:
            from suggestion.tuning.solvers import Local  # noqa: PLC0415

            return Local(*what, parallel, trials)
        from suggestion.tuning.remote import Remote  # noqa: PLC0415

        return Remote(*what, self.target, self.tls, _TIMEOUT, parallel, trials)

    def rule(self) -> Any:
        """Return the early-stopping rule with its settings; None without.

        Raises:
            InvalidArgument: With every rule that its settings break.
        """
        return rule_of(self.stopping)

    def suggest(
        self, note: Callable[[str], None], stopped: threading.Event, stack: ExitStack
    ) -> Suggest:
        """Return what answers requests for suggestions.

        Args:
            note: Told of trouble with a server.
            stopped: Set when nobody waits for answers any more.
            stack: Closes the connection to a server.
        """
        if self.target is not None:
            from suggestion.tuning.remote import suggest_over_grpc  # noqa: PLC0415

            return suggest_over_grpc(self.target, self.tls, note, stopped, stack)
        from suggestion.client.transports import InProcess  # noqa: PLC0415

        return InProcess().suggest

    def document(self, directory: Path) -> dict[str, Any]:
        """Return the Experiment, with the trial template of the function in `directory`."""
        made: dict[str, Any] = experiment(
            self.name,
            self.space,
            self.objective,
            self.algorithm,
            self.stopping,
            strategy="latest",
            parallel=self.limits.parallel,
            trials=self.limits.trials,
        )
        spec = made["spec"]
        if self.limits.failures is not None:
            spec["maxFailedTrialCount"] = str(self.limits.failures)
        spec["resumePolicy"] = "LongRunning"
        spec["metricsCollectorSpec"] = {
            "collector": {"kind": "File"},
            "source": {"fileSystemPath": {"path": FILE, "kind": "File", "format": "JSON"}},
        }
        function = str((directory / FUNCTION).resolve())
        spec["trialTemplate"] = {"command": command(function, self.space.parameters)}
        return made


def rule_of(stopping: Method | None) -> Any:
    """Return the early-stopping rule that `stopping` names, with its settings; None without.

    Raises:
        InvalidArgument: With every rule that its settings break.
    """
    if stopping is None:
        return None
    try:
        return stopping_rule(stopping)
    except Invalid as error:
        broken = [
            broken_rule(violation, stopping, Space({}, {}), "stop_settings")
            for violation in error.violations
        ]
        raise InvalidArgument(
            rule._replace(place="stop") if rule.place == "algorithm" else rule for rule in broken
        ) from error
