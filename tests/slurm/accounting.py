"""Slurm's accounting on MariaDB, for a cluster of `cluster`."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.slurm.cluster import PATH, Cluster, free_port, until

PROGRAMS = ("slurmdbd", "sacct", "sacctmgr", "mariadbd", "mariadb", "mariadb-install-db")

_SLURMDBD = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={storage}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
"""
_USER = "slurm@'127.0.0.1'"
_SQL = f"""CREATE DATABASE slurm; CREATE USER {_USER} IDENTIFIED BY 'slurm';
CREATE USER slurm@localhost IDENTIFIED BY 'slurm';
GRANT ALL ON slurm.* TO {_USER}; GRANT ALL ON slurm.* TO slurm@localhost"""


class AccountedCluster(Cluster):
    """A cluster whose controller tells a database of its jobs, and soon forgets them itself."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, kept=2)
        self._storage, port = free_port(), free_port()
        lines = [
            "AccountingStorageType=accounting_storage/slurmdbd",
            "AccountingStorageHost=127.0.0.1",
            f"AccountingStoragePort={port}",
            f"AccountingStoragePass={folder}/munge.socket",
        ]
        text = self.configuration.read_text()
        self.configuration.write_text(
            text.replace("AccountingStorageType=accounting_storage/none", "\n".join(lines))
        )
        configuration = folder / "slurmdbd.conf"
        configuration.write_text(_SLURMDBD.format(folder=folder, port=port, storage=self._storage))
        configuration.chmod(0o600)

    def start_controller(self) -> None:
        folder = self.folder
        data, socket = f"--datadir={folder}/my", f"--socket={folder}/my.sock"
        install = ["mariadb-install-db", "--no-defaults", data, "--skip-test-db", "--user=root"]
        subprocess.run(
            [*install, "--auth-root-authentication-method=normal"], check=True, capture_output=True
        )
        self._launch(
            "mariadbd", "--no-defaults", data, socket, f"--port={self._storage}",
            "--bind-address=127.0.0.1", "--user=root",
        )  # fmt: skip
        until((folder / "my.sock").exists, "the database answers")
        client = ["mariadb", "--no-defaults", socket, "-uroot", "-e", _SQL]
        subprocess.run(client, check=True, capture_output=True)
        self._launch("slurmdbd", "-D")

        def known() -> bool:
            self.call("sacctmgr", "-i", "add", "cluster", "test")
            return "test" in self.call("sacctmgr", "-n", "list", "cluster", "format=cluster")

        until(known, "the accounting knows the cluster")
        super().start_controller()


@contextmanager
def accounted(folder: Path) -> Iterator[AccountedCluster]:
    made = AccountedCluster(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def missing() -> list[str]:
    """The programs that are not here."""
    return [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
