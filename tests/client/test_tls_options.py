"""`ask`, `run --target`, `check` and `health` speak TLS with the same options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from suggestion.cli.main import main
from suggestion.conformance.target import Client
from tests.support.certificates import issue
from tests.support.files import text
from tests.support.servers import serving

COMMAND = "echo loss=${trialParameters.rate} ${trialParameters.units}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = issue(tmp_path_factory.mktemp("tls"), "suggest.example.com")
    (made / "e.yaml").write_text(text({"spec.maxTrialCount": 1}))
    return made


@pytest.fixture(scope="module")
def target(folder: Path) -> Iterator[str]:
    """A server that wants a client's certificate, and has another name than its address.

    It is a DB manager too.
    """
    environment = {
        "SUGGEST_TLS_CERT": str(folder / "server.pem"),
        "SUGGEST_TLS_KEY": str(folder / "server.key"),
        "SUGGEST_TLS_CLIENT_CA": str(folder / "ca.pem"),
    }
    environment["SUGGEST_DATABASE"] = f"sqlite:///{folder / 'o.db'}"
    with serving("random", "dbmanager", **environment) as server:
        yield server.address


@pytest.fixture(autouse=True)
def _plain_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "tls", None)


COMMANDS = ["ask", "run", "check", "health"]
OPTIONS = ["--tls-ca", "--tls-cert", "--tls-key"]


def suggest(name: str, folder: Path, target: str, tmp_path: Path, *options: str) -> Result:
    file = str(folder / "e.yaml")
    arguments = {
        "ask": ["ask", file, "--target", target, "--timeout", "20"],
        "run": ["run", file, "--target", target, "--directory", str(tmp_path / "state"),
                "--command", COMMAND, "--plain"],
        "check": ["check", target, "--algorithm", "random", "--only", "exact-count"],
        "health": ["health", target],
    }  # fmt: skip
    return CliRunner().invoke(main, [*arguments[name], *options])


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_speaks_tls(name: str, folder: Path, target: str, tmp_path: Path) -> None:
    options = [f"--tls-ca={folder / 'ca.pem'}", "--tls-name=suggest.example.com"]
    options += [f"--tls-cert={folder / 'client.pem'}", f"--tls-key={folder / 'client.key'}"]
    done = suggest(name, folder, target, tmp_path, *options)
    assert done.exit_code == 0, done.output


def test_early_stopping_of_a_run_reads_a_db_manager_over_tls(
    folder: Path, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server of the run does; what the environment tells other servers is not for it."""
    monkeypatch.setenv("SUGGEST_HTTP_ADDRESS", target)  # in use
    monkeypatch.setenv("SUGGEST_TLS_CERT", str(folder / "server.pem"))
    monkeypatch.setenv("SUGGEST_TLS_KEY", str(folder / "server.key"))
    monkeypatch.setenv("SUGGEST_DB_MANAGER_TLS_NAME", "another.example.com")
    early_stopping = {
        "algorithmName": "medianstop",
        "algorithmSettings": [{"name": "min_trials_required", "value": "1"}],
    }
    file = tmp_path / "e.yaml"
    made = {"spec.maxTrialCount": 2, "spec.parallelTrialCount": 1}
    file.write_text(text({**made, "spec.earlyStopping": early_stopping}))
    names = ["--target", target, "--db-manager", target, "--tls-name", "suggest.example.com"]
    options = [f"--tls-ca={folder / 'ca.pem'}"]
    options += [f"--tls-cert={folder / 'client.pem'}", f"--tls-key={folder / 'client.key'}"]
    state = ["--directory", str(tmp_path / "state"), "--command", COMMAND, "--plain"]
    done = CliRunner().invoke(main, ["run", str(file), *names, *options, *state])
    assert done.exit_code == 0, done.output
    log = (tmp_path / "state" / "servers" / "medianstop.log").read_text()
    assert re.search(r"GetEarlyStoppingRules .*curves=1 .*outcome=OK", log), log


@pytest.mark.parametrize("name", COMMANDS)
def test_options_that_do_not_belong_together(
    name: str, folder: Path, target: str, tmp_path: Path
) -> None:
    for options, words in (
        ([f"--tls-key={folder / 'client.key'}"], "need --tls-ca"),
        (["--tls-name=x"], "need --tls-ca"),
        ([f"--tls-ca={folder / 'ca.pem'}", f"--tls-key={folder / 'client.key'}"], "go together"),
    ):
        done = suggest(name, folder, target, tmp_path, *options)
        assert done.exit_code == 2
        assert words in done.output


@pytest.mark.parametrize("name", COMMANDS)
def test_files_that_do_not_belong_together(
    name: str, folder: Path, target: str, tmp_path: Path
) -> None:
    """Nothing is sent: gRPC would only say that it cannot reach the server, and try again."""
    ca, own, key = folder / "ca.pem", folder / "client.pem", folder / "server.key"
    for options, words in (
        ([ca, own, key], f"--tls-key {key}: does not belong to the certificate {own}"),
        ([ca, own, own], f"--tls-key {own}: must hold a private key in PEM"),
        ([key, own, key], f"--tls-ca {key}: must hold certificates in PEM"),
    ):
        named = [f"{o}={p}" for o, p in zip(OPTIONS, options, strict=True)]
        done = suggest(name, folder, target, tmp_path, *named)
        assert done.exit_code == 1
        assert words in done.output.replace("\n", " ")


@pytest.mark.parametrize("name", ["ask", "run"])
def test_tls_without_a_server_that_speaks_it(name: str, folder: Path, tmp_path: Path) -> None:
    arguments = [name, str(folder / "e.yaml"), "--tls-ca", str(folder / "ca.pem")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert "--tls-ca needs --target" in done.output
