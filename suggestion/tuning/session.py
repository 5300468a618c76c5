"""Run the experiment of a function, by the controller that ``suggest run`` has."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from suggestion import runtimes
from suggestion.client import template
from suggestion.controller import objectives
from suggestion.controller.context import Options, View
from suggestion.controller.driver import Controller
from suggestion.controller.experiment import Experiment, Limits
from suggestion.controller.lock import Lock
from suggestion.controller.moments import Clock, rfc3339
from suggestion.controller.resumption import CannotResume, resume
from suggestion.controller.runtime import Whose
from suggestion.controller.slots import MOST, Slot, divide
from suggestion.controller.state import Policy
from suggestion.controller.store import Store
from suggestion.controller.workspace import TrialWorkspace
from suggestion.earlystopping.stepwise import Stepwise
from suggestion.runner import learning
from suggestion.runner.control import Sessions, control
from suggestion.tuning.errors import BrokenRule, InvalidArgument
from suggestion.tuning.library import Library
from suggestion.tuning.metrics import FunctionMetrics
from suggestion.tuning.request import TuneRequest


@dataclass(frozen=True, slots=True)
class Machine:
    """The part of this machine that trials may use.

    Attributes:
        gpus: To hand out to trials; None leaves them alone.
        gpus_each, cpus_each: For each trial; 0 binds none.
    """

    gpus: Sequence[str] | None = None
    gpus_each: int = 1
    cpus_each: int = 0


def run(
    request: TuneRequest,
    directory: Path,
    cwd: Path,
    prepare: Callable[[], None],
    options: Options,
    machine: Machine,
    view: View,
    interrupted: Callable[[Callable[[], None]], None] | None,
) -> Controller:
    """Run an experiment until it ends or is interrupted, from wherever its directory stands.

    Args:
        cwd: In which trials run.
        prepare: Writes what trials need; called once the directory is known to be right.
        interrupted: Told what to call when the user interrupts; by default signals do.

    Raises:
        InvalidArgument: If the experiment does not fit its directory, or the machine.
        Busy: If another runner holds the directory.
        Fatal: If it cannot go on.
    """
    clock = Clock()
    document = request.document(directory)
    limits = Limits.of(document)
    slots = _slots(limits.parallel, machine)
    with ExitStack() as stack:
        lock = Lock(directory)
        stack.callback(lock.release)
        try:
            store = Store(directory, create=True)
        except (sqlite3.Error, ValueError) as error:
            raise InvalidArgument([BrokenRule("directory", f"{directory}: {error}")]) from error
        stack.callback(store.close)
        store.expect_held = lock.expect_held
        first = limits.first_failures(options.give_up_after)
        _settle(store, document, request, rfc3339(clock.now()), first)
        prepare()
        stopped = threading.Event()
        objective = objectives.read(document)
        made, wrong, _ = template.read(document)
        assert not wrong, wrong
        rule = request.rule()
        suggest = request.suggest(view.note, stopped, stack)
        parameters = list(request.space.parameters)
        sessions = Sessions(
            directory,
            store,
            runtimes.place("process"),
            Whose(request.name, "", directory.absolute(), document),
            lambda: Library(store, suggest, rule, objective, parameters, stopped),
            TrialWorkspace(directory, request.name, made, FunctionMetrics(objective.metrics), cwd),
            slots,
            Policy(
                objective,
                len(slots),
                options.retries,
                options.grace,
                options.trial_timeout,
                options.time_limit,
                first_failures=first,
                asks_again=isinstance(rule, Stepwise),
                lost_retries=options.lost_retries,
            ),
            options,
            stopped,
        )
        return control(sessions, view, interrupted, clock)


def _slots(parallel: int, machine: Machine) -> Sequence[Slot]:
    try:
        return divide(parallel, machine.gpus, machine.gpus_each, machine.cpus_each, MOST)
    except ValueError as error:
        raise InvalidArgument([BrokenRule("parallel", str(error))]) from error


def _settle(
    store: Store, document: dict[str, Any], request: TuneRequest, now: str, first: int | None
) -> None:
    """Store a new experiment, or take up the one that is there.

    Raises:
        InvalidArgument: If the directory holds another experiment.
    """
    known = store.experiment()
    space = {"space": request.space.to_json()}
    learned = request.learned
    if known is None:
        kept = learning.stored(learned.names, learned.text)
        made = Experiment(document["metadata"]["name"], document, {**kept, **space}, started=now)
        text = "the experiment is created"
        store.save_experiment(made.mark("Created", "ExperimentCreated", text, now))
        return
    before = known.options.get(learning.LEARN_FROM, [])
    if learned.names and before != [*learned.names]:
        rule = f"{store.folder} holds an experiment that differs in learn_from"
        raise InvalidArgument([BrokenRule("directory", f"{rule}; give another directory")])
    # Where Python and the directory are may change.
    own = {**known.document["spec"], "trialTemplate": document["spec"]["trialTemplate"]}
    known = replace(
        known, document={**known.document, "spec": own}, options={**known.options, **space}
    )
    # One that has failed is tuned again once its cause is fixed: its failed trials run again.
    failed = known.condition()["type"] == "Failed"
    try:
        changes = resume(known, store.trials(), document, now, first, retry_failed=failed)
    except CannotResume as error:
        stored = known.document["spec"]["objective"].get("additionalMetricNames")
        words = _in_words(str(error), bool(request.objective.settings or stored))
        rule = f"{store.folder} {words}; give another directory"
        raise InvalidArgument([BrokenRule("directory", rule)]) from error
    store.commit(replace(changes, experiment=changes.experiment or known))


#: Arguments of `tune` that become a field of the spec.
_ARGUMENTS: Final = {
    "algorithm": "algorithm, settings or seed",
    "earlyStopping": "stop",
    "objective": "minimize, maximize or goal",
    "parameters": "the space",
}
#: The same, where there are several objectives or bounds, which are settings too.
_WITH_SEVERAL: Final = {
    "algorithm": "algorithm, settings, seed, objectives or metric_constraints",
    "objective": "minimize, maximize, objectives, metric_constraints or goal",
}


def _in_words(refusal: str, several: bool) -> str:
    """Return why an experiment cannot go on, in terms of arguments.

    Args:
        several: Whether there are several objectives, or bounds, now or in the directory.
    """
    field = re.match(r"spec\.(\w+) differs", refusal)
    if field is None:
        return refusal.partition(";")[0]
    arguments = {**_ARGUMENTS, **_WITH_SEVERAL} if several else _ARGUMENTS
    what = arguments.get(field[1], field[1])
    return f"holds an experiment that differs in {what}"
