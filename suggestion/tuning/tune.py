"""Tune a function: each trial calls it in a process of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from suggestion.runtimes.python.command import FUNCTION
from suggestion.tuning import options as arguments
from suggestion.tuning.declared import Declared, Points
from suggestion.tuning.errors import BrokenRule, InvalidArgument, NoResult, TrialError, attempt
from suggestion.tuning.goals import Method, Settings
from suggestion.tuning.learning import Learned, LearnFrom, learn
from suggestion.tuning.objectives import Direction, Objectives, Statements
from suggestion.tuning.reading import SpaceLike, read_space
from suggestion.tuning.tls import TLS
from suggestion.tuning.trials import State

if TYPE_CHECKING:
    from suggestion.controller.driver import Controller
    from suggestion.tuning.result import Result
    from suggestion.tuning.space import Space

_STOPPED: Final = 2  # interruptions


def tune(
    function: Callable[..., object],
    space: SpaceLike | None = None,
    *,
    algorithm: str = "tpe",
    settings: Settings | None = None,
    seed: int | None = None,
    minimize: Direction = None,
    maximize: Direction = None,
    objectives: Objectives | None = None,
    metric_constraints: Statements | None = None,
    goal: float | None = None,
    trials: int | None = None,
    time: float | None = None,
    parallel: int = 1,
    stop: str | None = None,
    stop_settings: Settings | None = None,
    max_failures: int | None = None,
    retries: int = 0,
    trial_timeout: float | None = None,
    grace: float = 10.0,
    gpus: Sequence[int | str] | None = None,
    gpus_per_trial: int = 1,
    cpus_per_trial: int | None = None,
    directory: str | Path | None = None,
    name: str | None = None,
    target: str | None = None,
    tls: TLS | None = None,
    progress: bool = True,
    conditions: Statements | None = None,
    constraints: Statements | None = None,
    initial_points: Points | None = None,
    learn_from: LearnFrom = None,
) -> Result:
    """Find the arguments for which `function` returns the best value.

    Each trial calls the function in a new process. What it prints is kept, and what it raises makes
    a failed trial. All is stored in `directory` before it counts: a program that is killed goes on
    where it was when it runs again. Ctrl-C lets the running trials finish and returns what there is
    so far; a second Ctrl-C stops them.

    Args:
        function: Called with one argument for each parameter. It returns the objective, or all
            metrics by name; or it reports them with `report`, and the latest value counts.
        space: What each parameter may be, as for `Study`; None for the function's type hints.
        algorithm, settings, seed: As for `Study`.
        minimize, maximize: Name of the metric that is optimised, or True. By default the returned
            value is minimised.
        objectives: Several metrics that are optimised, in place of these two: by name ``minimize``
            or ``maximize``. The first is the main one.
        metric_constraints: Bounds on metrics other than the main objective: ``"memory <= 8e9"``, or
            a list. A trial that violates one is never the best, as long as another does not.
        goal: Value of the main objective at which to end.
        trials: Number of trials at which to end.
        time: Seconds after which to end; trials that run then are stopped, and run again when the
            program goes on.
        parallel: Trials at a time.
        stop, stop_settings: Early-stopping rule with its settings: ``asha``, ``hyperband``,
            ``medianstop`` or ``percentilestop``. It judges trials by what they `report`.
        max_failures: Number of failed trials at which to give up; by default five, if these are
            the first.
        retries: Times that a failed trial is run again.
        trial_timeout: Seconds after which a trial is stopped as failed.
        grace: Seconds that a trial has to end when it is stopped.
        gpus, gpus_per_trial: GPUs to hand out to trials, by ``CUDA_VISIBLE_DEVICES``.
        cpus_per_trial: Bind each trial to so many CPUs of its own.
        directory: Where all is kept; None for a new folder below ``runs``. If it holds the
            experiment already, that goes on.
        name: Of the experiment; by default the function's.
        target, tls: A server to suggest in place of the algorithms installed here.
        progress: Whether to show what happens.
        conditions, constraints, initial_points: As for `Study`. An inactive parameter is not passed
            to the function if this has a default for it; else a placeholder is.
        learn_from: As for `Study`. The trials are copied into `directory`; the sources are not read
            again when the experiment goes on.

    Raises:
        InvalidArgument: A `ValueError` with every rule that the arguments break, before any trial.
        TrialError: If too many trials fail; with the first traceback.
        RuntimeError: If another program is at work in `directory`, or a server or this machine
            makes it impossible to go on; nothing is lost.
        NoResult: If no trial has a value in the end.
        KeyboardInterrupt: After a second Ctrl-C.

    >>> import suggestion as sg
    >>> def paraboloid(x: float, y: float) -> float:
    ...     return (x - 1) ** 2 + y**2
    >>> result = sg.tune(
    ...     paraboloid, {"x": sg.uniform(-5, 5), "y": [0, 1]}, trials=3, progress=False
    ... )
    >>> len(result.trials)
    3
    """
    if arguments.in_trial():
        raise RuntimeError(
            "tune() was called while a trial imports this program; put the call below "
            "if __name__ == '__main__':"
        )
    from suggestion.controller.experiment import FIRST_FAILURES, Limits  # noqa: PLC0415
    from suggestion.tuning import function as functions  # noqa: PLC0415
    from suggestion.tuning.request import TuneRequest, rule_of  # noqa: PLC0415

    broken: list[BrokenRule] = []
    read = attempt(broken, lambda: read_space(function if space is None else space))
    objective = attempt(
        broken,
        lambda: arguments.check(
            minimize=minimize,
            maximize=maximize,
            goal=goal,
            objectives=objectives,
            metric_constraints=metric_constraints,
            parameters=() if read is None else read.parameters,
            counts={
                "trials": trials,
                "parallel": parallel,
                "max_failures": max_failures,
                "cpus_per_trial": cpus_per_trial,
                "gpus_per_trial": gpus_per_trial,
            },
            retries=retries,
            gpus=gpus,
            seconds={"time": time, "trial_timeout": trial_timeout, "grace": grace},
        ),
    )
    domain = None
    if read is not None:
        attempt(broken, lambda: functions.check(function, read))
        domain = attempt(broken, lambda: read.domain)
    declared = Declared(conditions, constraints, initial_points, seed)
    encodes = read if domain is not None else None
    method = Method.of(algorithm, declared.settings(settings, encodes, objective, broken))
    if objective is not None:
        method = attempt(broken, partial(method.declaring, objective)) or method
    stopping = attempt(broken, lambda: arguments.stopping_for(stop, stop_settings))
    learned: Learned | None = Learned()
    if objective is not None and domain is not None:
        told = partial(learn, learn_from, objective, domain, directory)
        learned = attempt(broken, told)
    if domain is not None and domain.size is None and trials is time is goal is None:
        broken.append(BrokenRule("trials", "must be given, or time, or goal: nothing would end it"))
    if read is None or objective is None or learned is None or broken:
        attempt(broken, lambda: rule_of(stopping))
        if target is None:
            from suggestion.tuning.solvers import check_method  # noqa: PLC0415

            known = read if domain is not None else None
            attempt(broken, declared.in_words()(partial(check_method, method, objective, known)))
        raise InvalidArgument(broken)
    request = TuneRequest(
        arguments.name_for(name or functions.name_of(function)),
        read,
        objective,
        method,
        stopping,
        Limits(parallel, trials, max_failures),
        target,
        tls,
        learned,
    )
    with declared.in_words():
        request.validate()
    cwd = arguments.working_directory()
    folder = arguments.directory_for(request.name, directory)
    import sqlite3  # noqa: PLC0415

    from suggestion.controller.context import Fatal, Options  # noqa: PLC0415
    from suggestion.controller.lock import Busy  # noqa: PLC0415
    from suggestion.tuning import session  # noqa: PLC0415
    from suggestion.tuning.watching import watch  # noqa: PLC0415

    options = Options(
        retries=retries,
        grace=grace,
        trial_timeout=trial_timeout,
        time_limit=time,
        give_up_after=FIRST_FAILURES if max_failures is None else 0,
    )
    machine = session.Machine(
        None if gpus is None else [str(gpu) for gpu in gpus], gpus_per_trial, cpus_per_trial or 0
    )
    try:
        with watch(progress, folder) as view:
            controller = session.run(
                request,
                folder,
                cwd,
                lambda: functions.store(
                    function, read, folder / FUNCTION, list(objective.directions)
                ),
                options,
                machine,
                view,
                None if threading.current_thread() is threading.main_thread() else lambda _: None,
            )
    except (Busy, Fatal, sqlite3.Error) as error:
        raise RuntimeError(str(error)) from error
    return _conclude(controller, folder, read, function)


def _conclude(
    controller: Controller, folder: Path, space: Space, function: Callable[..., object]
) -> Result:
    """Return the result, or raise why there is none."""
    from suggestion.tuning.result import load  # noqa: PLC0415

    result = load(folder, space, function)
    if controller.interruptions >= _STOPPED:
        raise KeyboardInterrupt
    condition = controller.experiment.condition()
    failed = next((trial for trial in result.trials if trial.state is State.FAILED), None)
    reason = f"; the first failed:\n{failed.error}" if failed is not None else ""
    if condition["type"] == "Failed":
        raise TrialError(f"{result.reason}{reason}")
    if not any(trial.objectives for trial in result.trials):
        told = next((trial.metrics for trial in result.trials if trial.metrics), {})
        first = ", ".join(f"{name} = {value}" for name, value in told.items())
        reason = reason or (f"; the first reported {first}" if first else "")
        raise NoResult(f"no trial has a value, of {len(result.trials)}{reason}")
    return result
