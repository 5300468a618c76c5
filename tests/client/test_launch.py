"""Servers that this project starts: where they listen, what they say, and when they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from suggestion.client import launch
from suggestion.client.launch import Banner, LocalServer, ServerError
from suggestion.client.transports import OverGrpc
from tests.support.requests import ask_for, experiment


def answers(address: str) -> bool:
    with OverGrpc(address) as remote:
        return len(remote.suggest(ask_for(experiment())).parameter_assignments) == 1


def test_a_server_that_was_killed_is_started_again_at_the_same_address() -> None:
    with LocalServer(("random",)) as server:
        address, pid = server.address(), server.pid
        assert answers(address)
        server.kill()
        assert server.address() == address
        assert server.pid != pid
        assert answers(address)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP])
def test_a_server_that_ends_or_hangs_while_it_starts(
    how: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = LocalServer(("random",))
    server.launch()
    first = server.pid
    assert first is not None
    os.kill(first, how)
    if how is signal.SIGSTOP:
        monkeypatch.setattr(launch, "_START_SECONDS", 0.3)
        once = server._launch

        def again(address: str | None) -> None:
            monkeypatch.undo()
            once(address)

        monkeypatch.setattr(server, "_launch", again)
    try:
        assert answers(server.address())
        assert server.pid != first
    finally:
        server.close()


def test_a_server_can_be_stopped_while_it_starts() -> None:
    server = LocalServer(("random",))
    server.launch()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)

    def ask() -> None:
        with pytest.raises(ServerError):
            server.address()

    asking = threading.Thread(target=ask)
    asking.start()
    server.stop(0.1)
    asking.join(30)
    assert not asking.is_alive()
    server.close()


def test_where_the_port_is_taken_meanwhile_another_one_is_used() -> None:
    with LocalServer(("random",)) as first:
        address = first.address()
        first.kill()
        with LocalServer(("random",), address=address):
            assert first.address() != address
            assert answers(first.address())


def test_the_log_keeps_what_every_process_has_printed(tmp_path: Path) -> None:
    log = tmp_path / "servers" / "random.log"
    with LocalServer(("random",), log) as server:
        address = server.address()
        server.kill()
        server.address()
        assert server.banners() == (Banner(("random",), address),)
    assert log.read_text().count("serving random on ") == 2


def test_a_temporary_log_is_removed() -> None:
    server = LocalServer(("random",))
    server.address()
    log = Path(f"/proc/{server.pid}/fd/1").resolve(strict=True)
    assert log.exists()
    server.close()
    assert not log.parent.exists()


def test_the_error_has_what_the_server_said() -> None:
    with pytest.raises(ServerError) as error, LocalServer(("rando",)):
        pass
    assert str(error.value).startswith("suggest serve rando: nothing called 'rando' can be served")
    assert error.value.said.startswith("nothing called 'rando' can be served; there is")
    assert "Usage: " in error.value.output
    assert error.value.status == 2


def test_a_server_that_was_stopped_stays_so() -> None:
    with LocalServer(("random",)) as server:
        server.stop()
        with pytest.raises(ServerError, match="suggest serve random: it has been stopped"):
            server.address()


def test_each_port_has_its_names(tmp_path: Path) -> None:
    with LocalServer(("random", "medianstop")) as server:
        assert server.address_of("random") == server.address()
        assert server.address_of("medianstop") not in ("", server.address())


def test_it_ends_with_the_process_that_started_it_even_by_kill_9(tmp_path: Path) -> None:
    program = textwrap.dedent(
        f"""
        import os, signal
        from suggestion.client.launch import LocalServer
        server = LocalServer(("random",), log=__import__("pathlib").Path({str(tmp_path / "log")!r}))
        server.address()
        print(server.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    pid = int(done.stdout)
    until = time.monotonic() + 30
    while running(pid):
        assert time.monotonic() < until, "the server has outlived its parent"
        time.sleep(0.05)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_modules_in_the_working_directory_do_not_take_the_place_of_ours(tmp_path: Path) -> None:
    for name in ("suggestion", "algorithms", "experiments", "grpc", "numpy"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError(__name__)")
    with LocalServer(("random",), cwd=tmp_path) as server:
        assert answers(server.address())
        assert os.path.samefile(f"/proc/{server.pid}/cwd", tmp_path)
