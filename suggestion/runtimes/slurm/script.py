"""The job of a trial: a shell script, since nodes need to have nothing else."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from suggestion.client.demand import Demand
from suggestion.controller.runtime import TrialFiles

#: Signals before a time limit that a trial can ask for; Slurm sends them to the script alone.
HANDED_ON: Final = ("USR1", "USR2")
_MEBIBYTE: Final = 2**20

# The folder is made by one job of an attempt only, whichever machine it runs on: should a runner
# have died while it submitted, there may be a second one.
_SCRIPT: Final = """\
#!/bin/sh
umask 077
mkdir {claim} 2>/dev/null || exit 0
echo "$SLURM_JOB_ID" >{claim}/id
exec >>{output} 2>&1 </dev/null
child= told=
trap 'told=" told"' TERM INT HUP
for signal in {signals}; do
    trap '[ -z "$child" ] || kill -s '$signal' "$child"' $signal
done
{prepare}cd {cwd} || exit 1
{command} &
child=$!
wait "$child"
code=$?
while kill -0 "$child" 2>/dev/null; do
    wait "$child"
    code=$?
done
printf '%s%s\\n' "$code" "$told" >{status}.new && mv {status}.new {status}
exit "$code"
"""
_THREADS: Final = 'export OMP_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}"\n'
_REPLICAS: Final = """\
MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
MASTER_PORT=$((20000 + SLURM_JOB_ID % 20000))
export MASTER_ADDR MASTER_PORT
"""
# Of each replica. What others than the first print is kept beside the output, as a cluster keeps it
# with their pods.
_REPLICA: Final = (
    "export RANK=$SLURM_PROCID WORLD_SIZE=$SLURM_NTASKS LOCAL_RANK=0; "
    '[ "$RANK" = 0 ] || exec >>"$0.$RANK" 2>&1; exec "$@"'
)


def claim(files: TrialFiles, attempt: int) -> Path:
    """Return the folder that the job of an attempt makes when it begins."""
    return files.folder.absolute() / f"job-{attempt}"


def text(
    files: TrialFiles, attempt: int, argv: Sequence[str], cwd: Path, replicas: int, threads: bool
) -> str:
    """Return the script of a trial's job.

    Args:
        threads: Whether numerical libraries are told the processors that the job has.
    """
    output = str(files.output.absolute())
    command = shlex.join(argv)
    if replicas > 1:
        srun = ["srun", "--kill-on-bad-exit=1", "sh", "-c", _REPLICA, output]
        command = f"{shlex.join(srun)} {command}"
    return _SCRIPT.format(
        claim=shlex.quote(str(claim(files, attempt))),
        output=shlex.quote(output),
        signals=" ".join(HANDED_ON),
        prepare=(_THREADS if threads else "") + (_REPLICAS if replicas > 1 else ""),
        cwd=shlex.quote(str(cwd.absolute())),
        command=command,
        status=shlex.quote(str(files.status.absolute())),
    )


def resources(demand: Demand) -> list[str]:
    """Return what sbatch is asked for, for each replica a task."""
    cpus = None if demand.cpus is None else max(math.ceil(demand.cpus), 1)
    made = [f"--ntasks={demand.replicas}"]
    if cpus is not None:
        made.append(f"--cpus-per-task={cpus}")
    if demand.gpus:
        made.append(
            f"--gres=gpu:{demand.gpus}"
            if demand.replicas == 1
            else f"--gpus-per-task={demand.gpus}"
        )
    if demand.memory is not None:
        mebibytes = max(math.ceil(demand.memory / _MEBIBYTE), 1)
        if demand.replicas == 1:
            made.append(f"--mem={mebibytes}M")
        else:  # of a node, which may have several replicas
            made.append(f"--mem-per-cpu={math.ceil(mebibytes / (cpus or 1))}M")
    return made
