"""Why a server does not start, in one line of our own words."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from suggestion.api.listening import require_free
from suggestion.cli.main import main
from suggestion.client.numbers import short
from tests.support.certificates import issue


def refusal(*options: str) -> str:
    """What `suggest serve` says; one line."""
    done = CliRunner().invoke(main, ["serve", "random", *options])
    assert done.exit_code == 1
    (line,) = done.output.splitlines()
    return line


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_a_port_in_use(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"{host}:{taken.getsockname()[1]}"
        line = refusal("--address", address)
    assert line == f"Error: cannot listen on {address}: another program listens there"


def test_an_address_of_another_machine() -> None:
    line = refusal("--address", "192.0.2.1:6789")
    assert line == "Error: cannot listen on 192.0.2.1:6789: this machine has no such address"


def test_unix_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    for path, reason in (
        ("", "must be unix:PATH"),
        ("x" * 108, "the path must have at most 107 bytes"),
        ("file", "there is a file that is no socket"),
        (".", "there is a file that is no socket"),
        ("file/socket", "there is no such folder"),
        ("nowhere/socket", "there is no such folder"),
    ):
        line = refusal("--address", f"unix:{path}")
        assert line == f"Error: cannot listen on unix:{path}: {reason}"
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind("socket")
        taken.listen(0)
        for _ in range(2):  # also when nobody accepts any more
            line = refusal("--address", "unix:socket")
            assert line == "Error: cannot listen on unix:socket: another program listens there"
    require_free("unix:socket")  # it is left behind, and nobody listens
    require_free("unix:another")
    assert not Path("another").exists()


@pytest.mark.parametrize("option", ["--address", "--http-address"])
@pytest.mark.parametrize(
    "address",
    ["nowhere", "localhost:http", "localhost:-1", "localhost:65536", ":0", "[::1:0", "\uff11:0 "],
)
def test_what_is_no_address(option: str, address: str) -> None:
    line = refusal("--address", "127.0.0.1:0", option, address)
    rule = "must be HOST:PORT with a port from 0 to 65535"
    assert line == f"Error: address: {rule}, got {address!r}"


@pytest.mark.parametrize("option", ["--address", "--http-address"])
@pytest.mark.parametrize("host", ["x" * 64, "x..y", "\udcff", "host.invalid"])
def test_a_host_that_is_none(option: str, host: str) -> None:
    line = refusal("--address", "127.0.0.1:0", option, f"{host}:0")
    assert line == f"Error: cannot listen on {f'{host}:0'!a}: there is no address of this host"


def test_certificates_and_keys(tmp_path: Path) -> None:
    issue(tmp_path, "127.0.0.1", names=("one", "two"))
    (tmp_path / "junk").write_bytes(b"\xff\x00junk")

    def given(certificate: str, key: str, *more: str) -> str:
        files = (f"--tls-cert={tmp_path / certificate}", f"--tls-key={tmp_path / key}")
        return refusal("--address", "127.0.0.1:0", *files, *more)

    assert "two.key: does not belong to the certificate" in given("one.pem", "two.key")
    assert "junk: must hold certificates in PEM" in given("junk", "one.key")
    assert "junk: must hold a private key in PEM" in given("one.pem", "junk")
    client_ca = f"--tls-client-ca={tmp_path / 'junk'}"
    assert "--tls-client-ca" in given("one.pem", "one.key", client_ca)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("")
    path.chmod(0)
    options = (f"--tls-cert={path}", f"--tls-key={path}")
    assert "cannot be read: Permission denied" in refusal("--address", "127.0.0.1:0", *options)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0.123456789", "0.12346"),
        ("1e-9", "1e-09"),
        ("123456", "123456"),
        ("-12", "-12"),
        ("nan", "nan"),
        ("relu", "relu"),
        ("", ""),
        ("-", "-"),
    ],
)
def test_numbers_in_tables(text: str, shown: str) -> None:
    assert short(text) == shown
