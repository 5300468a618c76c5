"""Channels: which targets are this machine, and that no proxy stands before those."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from suggestion.api.v1beta1.channels import is_loopback
from suggestion.client.launch import LocalServer

#: Port 9 discards; nobody listens there.
PROXIED = dict.fromkeys(
    ("http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"
)


@pytest.mark.parametrize(
    "target",
    [
        *("127.0.0.1:6789", "127.8.0.1:1", "localhost:6789", "LOCALHOST:1", "[::1]:6789", "::1"),
        *("localhost", "a.localhost:1", "localhost.:1", "dns:localhost:1", "dns:///localhost:1"),
        *("dns://8.8.8.8/127.0.0.1:1", "ipv4:127.0.0.1:1", "ipv6:[::1]:1", "ipv6:%5B::1%5D:1"),
    ],
)
def test_these_are_this_machine(target: str) -> None:
    assert is_loopback(target)


@pytest.mark.parametrize(
    "target",
    [
        *("example.org:6789", "10.0.0.1:6789", "[2001:db8::1]:1", "localhost.example.org:1"),
        *("dns:///example.org:1", "unix:/run/suggest", "mylocalhost:1", "", "127.0.0.1.nip.io:1"),
    ],
)
def test_these_are_not(target: str) -> None:
    assert not is_loopback(target)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with LocalServer(("random",), env=PROXIED) as server:
        yield server.address()


def run(program: str, *arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=env,
    )


ASK = """
import sys, grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from suggestion.api.v1beta1.channels import open_channel
target, plain = sys.argv[1:]
with (grpc.insecure_channel(target) if int(plain) else open_channel(target)) as channel:
    health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=20)
"""


def test_a_proxy_does_not_stand_between_us_and_this_machine(address: str) -> None:
    ours = run(ASK, address, "0", env=PROXIED)
    assert ours.returncode == 0, ours.stderr
    plain = run(ASK, address, "1", env=PROXIED)
    assert "UNAVAILABLE" in plain.stderr, "this test would not notice a proxy"


def test_nor_do_the_commands_go_through_it(address: str) -> None:
    main = "from suggestion.cli.main import main; main()"
    assert run(main, "health", address, env=PROXIED).stdout == "SERVING\n"
