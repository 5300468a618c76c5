"""Database servers, started by the tests from the system's binaries as an ordinary user."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

_FOLDERS = [*map(str, Path("/usr/lib/postgresql").glob("*/bin")), "/usr/sbin", "/usr/local/sbin"]
_SECONDS = 60


def _find(program: str, package: str) -> str:
    """Path of `program`; skips the test if the Debian package that holds it is not installed."""
    path = os.pathsep.join((os.environ.get("PATH", ""), *sorted(_FOLDERS, reverse=True)))
    found = shutil.which(program, path=path)
    if found is None:
        pytest.skip(f"{program} is not installed (Debian: {package})")
    return os.path.realpath(found)


def _identity() -> dict[str, Any]:
    """Arguments of `subprocess` that leave root: these servers refuse to run as root."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@contextmanager
def _folder() -> Iterator[Path]:
    """A new folder that the servers' user owns; pytest's own are closed to others."""
    path = Path(tempfile.mkdtemp(prefix="suggest-", dir="/tmp"))
    try:
        identity = _identity()
        if identity:
            os.chown(path, identity["user"], identity["group"])
        yield path
    finally:
        shutil.rmtree(path)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _run(*command: str, folder: Path) -> None:
    done = subprocess.run(
        command,
        **_identity(),
        cwd=folder,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "HOME": str(folder)},
    )
    assert done.returncode == 0, done.stdout


class DatabaseServer:
    """Empties its only database for every test: to create one takes these servers long.

    Args:
        url: Of the database.
    """

    def __init__(self, url: str) -> None:
        self._url = sa.make_url(url)

    def database(self) -> str:
        """URL of the empty database, as a user would write it."""
        engine = sa.create_engine(self._url)
        tables = sa.MetaData()
        tables.reflect(engine)
        tables.drop_all(engine)
        engine.dispose()
        kind = self._url.get_backend_name()
        return self._url.set(drivername=kind).render_as_string(hide_password=False)


@contextmanager
def _running(
    command: Sequence[str], folder: Path, url: str, *, first: str, end: signal.Signals
) -> Iterator[DatabaseServer]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, **_identity(), cwd=folder, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        engine = sa.create_engine(sa.make_url(url).set(database=first))
        until = time.monotonic() + _SECONDS
        while True:
            try:
                with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    connection.exec_driver_sql("CREATE DATABASE test")
                break
            except sa.exc.OperationalError:
                said = (folder / "log").read_text(errors="replace")
                assert process.poll() is None, said
                assert time.monotonic() < until, said
                time.sleep(0.1)
        engine.dispose()
        yield DatabaseServer(url)
    finally:
        process.send_signal(end)
        process.wait(_SECONDS)


@contextmanager
def postgresql() -> Iterator[DatabaseServer]:
    initdb = _find("initdb", "postgresql")
    server = _find("postgres", "postgresql")
    with _folder() as folder:
        data, port = str(folder / "data"), _free_port()
        # A locale whose text order is not that of bytes would show, but not all systems have one.
        _run(
            *(initdb, "--pgdata", data, "--auth", "trust", "--username", "tester", "--no-sync"),
            *("--encoding", "UTF8", "--locale", "C.UTF-8"),
            folder=folder,
        )
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(folder),
            "fsync": "off",
        }
        command = [server, "-D", data, "-p", str(port)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        url = f"postgresql+psycopg://tester@127.0.0.1:{port}/test"
        with _running(command, folder, url, first="postgres", end=signal.SIGQUIT) as running:
            yield running


@contextmanager
def mariadb() -> Iterator[DatabaseServer]:
    install = _find("mariadb-install-db", "mariadb-server-core")
    server = _find("mariadbd", "mariadb-server-core")
    _find("my_print_defaults", "mariadb-client-core")
    base = Path(server).parent.parent
    with _folder() as folder:
        data, port = str(folder / "data"), _free_port()
        common = ["--no-defaults", f"--basedir={base}", f"--datadir={data}"]
        small = ["--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M"]
        _run(
            *(install, *common, "--auth-root-authentication-method=normal", "--skip-test-db"),
            *small,
            folder=folder,
        )
        command = [
            *(server, *common, *small, f"--port={port}", "--bind-address=127.0.0.1"),
            *(f"--socket={folder / 'socket'}", f"--pid-file={folder / 'pid'}"),
            "--innodb-flush-log-at-trx-commit=0",
        ]
        url = f"mariadb+pymysql://root@127.0.0.1:{port}/test"
        with _running(command, folder, url, first="mysql", end=signal.SIGKILL) as running:
            yield running


SERVERS: dict[str, Callable[[], Any]] = {"postgresql": postgresql, "mariadb": mariadb}
