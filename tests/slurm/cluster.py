"""Slurm's own daemons on this machine: a controller and two nodes, all below one folder."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

NODES = ("n1", "n2")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"

_CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPort={controller}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
SlurmdTimeout=10
SlurmctldTimeout=10
KillWait=2
MinJobAge={kept}
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=spare Nodes=ALL MaxTime=INFINITE State=UP PreemptMode=CANCEL GraceTime=60
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=2
"""
#: Of each node; links to another device stand for them.
GPUS = 2


def missing() -> list[str]:
    """The programs that are not here."""
    return [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class Cluster:
    """A controller, two nodes, and munge; `folder` must be short, for the sockets' names."""

    def __init__(self, folder: Path, cpus: int = 8, kept: int = 300) -> None:
        self.folder = folder
        (folder / "state").mkdir(parents=True)
        host = socket.gethostname().partition(".")[0]
        nodes = "\n".join(
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={free_port()} "
            f"CPUs={cpus} Gres=gpu:{GPUS} State=UNKNOWN"
            for name in NODES
        )
        for number in range(GPUS):
            (folder / f"gpu{number}").symlink_to("/dev/null")
        (folder / "gres.conf").write_text(f"Name=gpu File={folder}/gpu[0-{GPUS - 1}]\n")
        text = _CONFIGURATION.format(
            host=host, folder=folder, controller=free_port(), nodes=nodes, kept=kept
        )
        self.configuration = folder / "slurm.conf"
        self.configuration.write_text(text)
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def env(self) -> Mapping[str, str]:
        """The environment in which Slurm's commands find this cluster."""
        return {**os.environ, "SLURM_CONF": str(self.configuration), "PATH": PATH}

    def start(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        named = {"key-file": "key", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        files = [f"--{option}={self.folder}/munge.{end}" for option, end in named.items()]
        socket_ = f"--socket={self.folder}/munge.socket"
        self._launch("munged", "--foreground", "--force", socket_, *files)
        until((self.folder / "munge.socket").exists, "munge answers")
        self.start_controller()
        for name in NODES:
            self.start_node(name)
        until(lambda: self.states() == {"idle"}, "both nodes are idle")

    def start_controller(self) -> None:
        self._launch("slurmctld", "-D", "-i")
        until(lambda: self.call("scontrol", "ping").find("is UP") > 0, "the controller answers")

    def start_node(self, name: str) -> None:
        self._launch("slurmd", "-D", "-N", name, key=name)

    def heal(self) -> None:
        """Bring back whatever a test has ended."""
        if "slurmctld" not in self._daemons:
            self.start_controller()
        for name in NODES:
            if name not in self._daemons:
                self.start_node(name)
            self.call("scontrol", "update", f"nodename={name}", "state=resume")
        until(lambda: self.states() == {"idle"}, "both nodes are idle")

    def _launch(self, program: str, *arguments: str, key: str = "") -> None:
        with (self.folder / f"{key or program}.out").open("ab") as out:
            self._daemons[key or program] = subprocess.Popen(
                [program, *arguments], stdout=out, stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL, env=self.env, start_new_session=True,
            )  # fmt: skip

    def kill(self, key: str) -> None:
        """End a daemon at once; the jobs of a node run on."""
        process = self._daemons.pop(key)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def kill_node(self, name: str) -> None:
        """End a node with all that runs on it."""
        self.kill(name)
        self._kill_steps(name)

    def _kill_steps(self, name: str) -> None:
        script, log = f"{self.folder}/spool-{name}/", f"{self.folder}/slurmd-{name}.log"
        for pid in list(_steps(script, log)):
            _kill_group(pid)

    def call(self, *argv: str, check: bool = False) -> str:
        """What a command of Slurm prints."""
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, check=check)
        return done.stdout + done.stderr

    def states(self) -> set[str]:
        """States of the nodes."""
        return set(self.call("sinfo", "--noheader", "--Node", "--format=%T").split())

    def jobs(self, *states: str) -> list[str]:
        """Names of the jobs in `states`."""
        asked = ",".join(states or ("PENDING", "RUNNING", "COMPLETING"))
        return self.call("squeue", "--noheader", f"--states={asked}", "--format=%j").split()

    def stop(self) -> None:
        self.call("scancel", "--user=root", "--signal=KILL", "--full")
        self.call("scancel", "--user=root")
        for name in NODES:
            self._kill_steps(name)
        for process in reversed(list(self._daemons.values())):
            process.kill()
            process.wait()
        self._daemons.clear()


def _steps(script: str, log: str) -> Iterator[int]:
    """Processes of a node: its steps, known by its log, and the scripts that they run."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes()
            opened = {os.readlink(file) for file in (entry / "fd").iterdir()}
        except OSError:
            continue
        if script.encode() in words or (words.startswith(b"slurmstepd") and log in opened):
            yield int(entry.name)


def _kill_group(pid: int) -> None:
    try:
        group = os.getpgid(pid)
        if group not in (0, os.getpgid(0)):
            os.killpg(group, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def until(condition: Callable[[], bool], what: str, seconds: float = 300.0) -> None:
    """Waits for something that a daemon does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


@contextmanager
def cluster(folder: Path, **more: int) -> Iterator[Cluster]:
    made = Cluster(folder, **more)
    with ExitStack() as stack:
        stack.callback(made.stop)
        made.start()
        yield made
