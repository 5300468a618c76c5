"""Trials as processes of this machine."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from suggestion.client import template
from suggestion.controller.runtime import (
    Asked,
    Exit,
    Handle,
    LaunchSpec,
    Loss,
    Place,
    Running,
    Runtime,
    RuntimeEvent,
    TrialFiles,
    Whose,
)  # fmt: skip
from suggestion.reporting.reporter import RULES, RULES_FILE
from suggestion.reporting.sinks import FORMAT, PATH
from suggestion.runtimes.here import Here
from suggestion.runtimes.process import session
from suggestion.runtimes.process.nursery import Nursery
from suggestion.runtimes.process.session import Identity, Process
from suggestion.runtimes.python.names import LOADING

# What a trial around this runner was told: a trial of ours is not always told the same.
_OF_ONE_TRIAL: Final = frozenset({RULES, RULES_FILE, PATH, FORMAT, LOADING})
# Where a trial that pushes its metrics sends them; and a folder whose `sitecustomize` lets the SDK
# of Kubeflow find it.
_DB_MANAGER: Final = "SUGGEST_DB_MANAGER"
_PUSHING: Final = str(Path(__file__).resolve().parent / "pushing")
#: How often supervisors are told to go on: one that its trial has stopped (SIGSTOP to its parent)
#: would never say that the trial has ended.
_GO_ON_SECONDS: Final = 2.0
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Command:
    """A process to start.

    Attributes:
        cpus: To which it is bound; none: all.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    cpus: Sequence[int] = ()


def _inherited() -> Mapping[str, str]:
    return {name: text for name, text in os.environ.items() if name not in _OF_ONE_TRIAL}


@dataclass(frozen=True, slots=True)
class Plain:
    """Make a trial's own command, with the paths of this machine.

    Attributes:
        inherited: What trials have of the environment in which their session has begun.
    """

    inherited: Mapping[str, str] = field(default_factory=_inherited)

    def __call__(self, spec: LaunchSpec) -> Command:
        invocation = template.moved(spec.invocation, spec.paths)
        # Output that a program holds back would reach the rules too late; and trials side by side
        # are not to fight for the cores. Both are only defaults.
        env = {
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": str(spec.slot.threads),
            **self.inherited,
            **spec.variables,
            **invocation.env,
        }
        _reach_this_machine(env)
        if _DB_MANAGER in spec.variables:
            env["PYTHONPATH"] = os.pathsep.join(filter(None, (_PUSHING, env.get("PYTHONPATH"))))
        if spec.search_path:
            env["PATH"] = f"{spec.search_path}:{env.get('PATH', os.defpath)}"
        cwd = spec.cwd
        if invocation.cwd and (cwd / invocation.cwd).is_dir():
            cwd = cwd / invocation.cwd
        return Command(invocation.argv, env, cwd, spec.slot.cpus)


def _reach_this_machine(env: dict[str, str]) -> None:
    """Let no proxy stand between a trial and servers of this machine, which no proxy can reach."""
    if "_proxy" in " ".join(env).lower():
        lower, upper = env.get("no_proxy", ""), env.get("NO_PROXY", "")
        env["no_proxy"] = ",".join(filter(None, (lower or upper, *_LOOPBACK)))
        env["NO_PROXY"] = ",".join(filter(None, (upper or lower, *_LOOPBACK)))


@dataclass(slots=True)
class _Followed:
    """A trial that this session has launched or adopted.

    Attributes:
        kill_at: When it is killed, in monotonic seconds; None: it is not being stopped.
    """

    process: Process
    files: TrialFiles
    begun: bool
    grace: float = 0.0
    kill_at: float | None = None


@dataclass
class ProcessRuntime:
    """Processes of this machine.

    Args:
        command: Makes the process of a trial.
        killed: Called with a trial's name when its process is killed, where that does not reach
            all of the trial.
    """

    command: Callable[[LaunchSpec], Command] = field(default_factory=Plain)
    killed: Callable[[str], None] | None = None
    _followed: dict[str, _Followed] = field(default_factory=dict)
    _ends: select.epoll = field(default_factory=select.epoll)
    _nursery: Nursery = field(default_factory=Nursery)
    _go_on_at: float = 0.0

    def launch(self, spec: LaunchSpec) -> Handle:
        files = spec.files
        made = self.command(spec)
        process = session.start(
            self._nursery, made.argv, made.env, made.cwd, files.output, files.status, made.cpus
        )
        self._follow(_Followed(process, files, begun=False))
        identity = process.identity
        return {
            "pid": identity.pid,
            "started": identity.started,
            "boot": identity.boot,
            "host": socket.gethostname(),
        }

    def begin(self, trial: str) -> None:
        known = self._followed[trial]
        known.process.go()
        known.begun = True

    def adopt(self, files: TrialFiles, handle: Handle) -> Running | Exit | Loss:
        identity = Identity(handle["pid"], handle["started"], handle["boot"])
        process = session.adopt(identity, files.status)
        if process is not None:
            self._follow(_Followed(process, files, begun=True))
            return Running(identity.age())
        session.orphans(identity, files.status)
        status = session.read_status(files.status)
        if status is None:
            return Loss(files.trial, begun=not session.unbegun(files.status))
        return Exit(files.trial, status)

    def _follow(self, followed: _Followed) -> None:
        self._followed[followed.files.trial] = followed
        self._ends.register(followed.process.fileno(), select.EPOLLIN)

    def stop(self, trial: str, grace: float) -> None:
        known = self._followed.get(trial)
        if known is not None:
            known.grace = grace
            known.kill_at = time.monotonic() + grace
            known.process.signal(signal.SIGTERM)

    def tell(self, trial: str, rules: str) -> None:
        """Nothing: a process reads the file, and a container is told its first rules only."""

    def events(self) -> Sequence[RuntimeEvent]:
        ended = {descriptor for descriptor, _ in self._ends.poll(0)}
        now = time.monotonic()
        if now >= self._go_on_at:
            self._go_on_at = now + _GO_ON_SECONDS
            for known in self._followed.values():
                known.process.go_on()
        seen: list[RuntimeEvent] = []
        for trial, known in list(self._followed.items()):
            if known.process.fileno() in ended and known.process.ended:
                seen.append(self._reap(trial, known))
            elif known.kill_at is not None and now >= known.kill_at:
                known.kill_at = now + known.grace
                self._kill(trial, known)
        return seen

    def _reap(self, trial: str, known: _Followed) -> RuntimeEvent:
        del self._followed[trial]
        self._ends.unregister(known.process.fileno())
        status = known.process.reap()
        if status != 0 and session.unbegun(known.files.status):
            return Loss(trial, begun=False)
        return Exit(trial, status)

    def _kill(self, trial: str, known: _Followed) -> None:
        known.process.signal(signal.SIGKILL)
        if self.killed is not None:
            self.killed(trial)

    def fileno(self) -> int | None:
        return self._ends.fileno()

    def close(self) -> None:
        for known in self._followed.values():
            if known.begun:
                known.process.leave()
            else:
                known.process.abandon()
        self._followed.clear()
        self._ends.close()
        self._nursery.close()


@dataclass(frozen=True, slots=True)
class _Processes(Here):
    def check(self, asked: Asked) -> None:
        """Every machine has processes."""

    def open(self, whose: Whose) -> Runtime:
        return ProcessRuntime()


PLACE: Final[Place] = _Processes()
