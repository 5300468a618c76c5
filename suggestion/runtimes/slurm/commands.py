"""Slurm's commands: each is asked for all jobs at once, and parsed by a pure function."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SECONDS: Final = 60
# Job id, state, time used, reason; the comment last, which may hold anything.
_FORMAT: Final = "%A|%T|%M|%r|%k"
#: What sbatch says when the same command may succeed later.
_PASSING: Final = re.compile(
    r"unable to contact|socket timed out|connection (refused|reset)|communication|zero bytes were"
    r"|temporarily|try again|timed out|slurm backup controller|submit limit|MaxSubmit|in standby"
    r"|configuration source",
    re.IGNORECASE,
)


class Away(Exception):
    """Slurm does not answer now; the text is what its command says."""


class Refused(Exception):
    """Slurm refuses a job; the text says why."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as squeue shows it.

    Attributes:
        seconds: That it has run.
        reason: Why it waits, or has ended.
    """

    id: int
    state: str
    seconds: float
    reason: str
    comment: str


def environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return `env` without what an allocation around this process has set."""
    return {
        name: text
        for name, text in env.items()
        if not name.startswith("SLURM_") or name == "SLURM_CONF"
    }


def _run(argv: Sequence[str], env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
            env=environment(os.environ if env is None else env),
        )
    except subprocess.TimeoutExpired as error:
        raise Away(f"{argv[0]}: no answer for {_SECONDS} s") from error
    except OSError as error:  # its folder may be on a shared disk
        fault = Refused if error.errno == errno.E2BIG else Away
        raise fault(f"{argv[0]}: {error.strerror}") from error
    return done.returncode, done.stdout, " ".join(done.stderr.split())


def submit(arguments: Sequence[str], script: Path, env: Mapping[str, str]) -> int:
    """Submit a job; return its number.

    Raises:
        Away: If it may have been submitted or not.
        Refused: If it never will be.
    """
    argv = ["sbatch", "--parsable", *arguments, str(script)]
    code, out, said = _run(argv, {**env, **_conf()})
    match = re.match(r"(\d+)(;.*)?$", out.strip())
    if code == 0 and match is not None:
        return int(match[1])
    if _PASSING.search(said):
        raise Away(said)
    raise Refused(said or f"sbatch: exit status {code}")


def _conf() -> dict[str, str]:
    return {name: os.environ[name] for name in ("SLURM_CONF",) if name in os.environ}


def refusal(arguments: Sequence[str]) -> list[str]:
    """Return why Slurm would refuse jobs with these arguments; empty if it would not."""
    try:
        code, _, said = _run(["sbatch", "--test-only", *arguments, "--wrap=true"])
    except Away:
        return []
    if code == 0 or _PASSING.search(said):
        return []
    return [f"{' '.join(['sbatch', *arguments])}: {said}"]


def queue() -> list[Job]:
    """Return all jobs of this user that Slurm's controller still knows.

    Raises:
        Away: If it does not answer.
    """
    argv = ["squeue", "--me", "--noheader", "--states=all", f"--format={_FORMAT}"]
    code, out, said = _run(argv)
    if code:
        raise Away(said)
    return list(parse_queue(out))


def parse_queue(text: str) -> Iterable[Job]:
    """Yield the jobs in what squeue prints."""
    for line in text.splitlines():
        fields = line.strip().split("|", 4)
        if len(fields) == 5 and fields[0].isdigit():
            number, state, used, reason, comment = fields
            yield Job(int(number), state, _seconds(used), reason, comment)


def _seconds(text: str) -> float:
    """Return the seconds in ``1-02:03:04``, ``03:04``; 0 if there are none."""
    match = re.fullmatch(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+)", text.strip())
    if match is None:
        return 0.0
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def accounted(jobs: Sequence[int]) -> dict[int, str] | None:
    """Return the states of jobs that accounting knows; None where there is no accounting.

    Accounting that does not answer now knows none.
    """
    argv = ["sacct", "--noheader", "--parsable2", "--allocations", "--format=JobIDRaw,State"]
    if shutil.which(argv[0]) is None:
        return None
    try:
        code, out, said = _run([*argv, f"--jobs={','.join(map(str, jobs))}"])
    except (Away, Refused):
        return {}
    if code:
        return None if "accounting storage is disabled" in said else {}
    return parse_accounting(out)


def parse_accounting(text: str) -> dict[int, str]:
    """Return the states in what sacct prints: ``CANCELLED by 1000`` is CANCELLED."""
    rows = (line.split("|") for line in text.splitlines())
    return {
        int(row[0]): row[1].split()[0]
        for row in rows
        if len(row) == 2 and row[0].isdigit() and row[1]
    }


def cancel(jobs: Sequence[int], signal: str = "") -> None:
    """Cancel jobs, or send a signal to all of their processes.

    Raises:
        Away: If Slurm does not answer.
    """
    how = ["--full", f"--signal={signal}"] if signal else []
    code, _, said = _run(["scancel", *how, *map(str, jobs)])
    if code and _PASSING.search(said):
        raise Away(said)
