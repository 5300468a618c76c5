"""The command line as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from suggestion.cli.main import main
from suggestion.cli.shared import Target
from suggestion.engine.algorithm import algorithms
from tests.support.cases import ARCHITECTURES, EXAMPLES, NAMES, WITH_EXAMPLE
from tests.support.requests import ask_for, experiment
from tests.support.servers import ServerProcess, serving

ROOT = Path(__file__).resolve().parent.parent
FILE = EXAMPLES / "random.yaml"


def suggest(*arguments: object, status: int = 0) -> str:
    """Standard output of ``suggest``; its standard error where it should fail.

    In this process: a process of its own would import everything anew.
    """
    done = CliRunner().invoke(main, [str(part) for part in arguments], catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done.stderr if status else done.stdout


def changed(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    text = FILE.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file = tmp_path / "experiment.yaml"
    file.write_text(text)
    return file


# ------------------------------------------------------------------------- ask


@pytest.mark.parametrize("name", WITH_EXAMPLE)
def test_ask_answers_for_every_example(server: ServerProcess, name: str) -> None:
    arguments = ("--count", 2, "--target", server.address, "--output", "json")
    rows = json.loads(suggest("ask", EXAMPLES / f"{name}.yaml", *arguments))
    assert len(rows) == 2
    assert rows[0]["parameters"] != rows[1]["parameters"]


def test_ask_starts_a_server_by_itself_and_prints_a_table() -> None:
    command = [sys.executable, "-m", "suggestion", "ask", str(FILE), "--count", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    lines = done.stdout.splitlines()
    assert all(heading in lines[1] for heading in ("lr", "layers", "optimizer"))
    assert len([line for line in lines if "│" in line]) == 3


def test_ask_counts_the_trials_it_is_given(server: ServerProcess, tmp_path: Path) -> None:
    trials = tmp_path / "trials.yaml"
    trials.write_text(
        "- parameters: {lr: 1e-3, layers: 2, optimizer: sgd}\n"
        "  metrics: {accuracy: 0.91}\n"
        "- name: b\n"
        "  parameters: {lr: 1e-2, layers: 2, optimizer: sgd}\n"
        "  condition: Failed\n"
    )
    ask = ("ask", FILE, "--target", server.address, "--output", "json")
    first = json.loads(suggest(*ask, "--count", 3))
    assert json.loads(suggest(*ask, "--trials", trials)) == first[2:]


def test_ask_warns_of_trials_without_the_objective(server: ServerProcess, tmp_path: Path) -> None:
    trials = tmp_path / "trials.yaml"
    point = "parameters: {lr: 1e-3, layers: 2, optimizer: sgd}"
    ended = [f"- {point}\n  name: t{k}\n  metrics: {{loss: 0.1}}\n" for k in range(1, 7)]
    trials.write_text(
        f"- {point}\n  metrics: {{accuracy: nan}}\n{''.join(ended)}"
        f"- {point}\n  metrics: {{loss: 0.1, accuracy: 0.9}}\n"
        f"- {point}\n  condition: Failed\n"
        f"- {point}\n"
    )
    command = ["ask", str(FILE), "--target", server.address, "--trials", str(trials)]
    done = CliRunner().invoke(main, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert done.stderr == (
        "Warning: 7 of 10 trials ended without a number for 'accuracy', the objective, and count "
        "as failed: number 1, t1, t2, t3, t4, ...\n"
    )


def test_ask_replays_a_whole_request(server: ServerProcess, tmp_path: Path) -> None:
    from google.protobuf import json_format  # noqa: PLC0415

    request = ask_for(experiment(), 2, 7)
    file = tmp_path / "request.json"
    file.write_text(json_format.MessageToJson(request))
    rows = json.loads(suggest("ask", file, "--target", server.address, "--output", "json"))
    expected = server.stub.GetSuggestions(request)
    assert [list(row["parameters"].values()) for row in rows] == [
        [a.value for a in entry.assignments] for entry in expected.parameter_assignments
    ]


def test_ask_keeps_numbers_as_they_are_written(server: ServerProcess, tmp_path: Path) -> None:
    file = changed(tmp_path, ("categorical", "discrete"), ("[sgd, adam, ftrl]", "[0.10, 1e-3, 02]"))
    rows = json.loads(
        suggest("ask", file, "--count", 40, "--target", server.address, "--output", "json")
    )
    assert {row["parameters"]["optimizer"] for row in rows} == {"0.10", "1e-3", "02"}


def test_ask_names_every_problem_of_a_file_with_its_line(tmp_path: Path) -> None:
    file = changed(
        tmp_path,
        ("type: maximize", "type: max"),
        ("parameterType: int", "parameterType: integer"),
        ("list: [sgd, adam, ftrl]", "lst: [sgd, adam, ftrl]"),
        ("parallelTrialCount: 3", "parallelTrialCount: three"),
    )
    error = suggest("ask", file, status=1)
    for line in (
        ":9: spec.objective.type: must be one of minimize, maximize, got 'max'",
        ":14: spec.parallelTrialCount: must be a whole number, at least 1, got 'three'",
        ":24: spec.parameters[1].parameterType: must be one of double, int, discrete, categorical, "
        "got 'integer'",
        ":31: spec.parameters[2].feasibleSpace.lst: unknown field; there is min, max, step, list, "
        "distribution",
    ):
        assert f"{file}{line}" in error


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", ":1: not YAML: "),
        ("a: 1\na: 2", ":2: not YAML: the key 'a' is used twice"),
        ("a: &x [*x]", "not YAML: an alias must not refer to a node that it is part of"),
        ("kind: Job", "metadata is required"),
        ("", "must hold one, got 0 documents of kind Experiment"),
        ("- 1", "the file: must be a mapping, got a list"),
    ],
)
def test_ask_says_why_a_file_is_none(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "e.yaml"
    file.write_text(text)
    done = CliRunner().invoke(main, ["ask", str(file)])
    assert done.exit_code == 1
    assert message in done.output


def test_ask_shows_what_the_server_refuses(server: ServerProcess, tmp_path: Path) -> None:
    file = changed(
        tmp_path, ('min: "1e-4"', 'min: "0"'), ("algorithmName: random", "algorithmName: rndom")
    )
    error = suggest("ask", file, "--target", server.address, status=1)
    assert "INVALID_ARGUMENT: parameter 'lr': logUniform needs min > 0, got min = 0; " in error
    assert "algorithm 'rndom' is not served here" in error


def test_ask_names_an_unknown_algorithm_without_a_server(tmp_path: Path) -> None:
    file = changed(tmp_path, ("algorithmName: random", "algorithmName: rndom"))
    error = suggest("ask", file, status=1)
    assert "algorithm 'rndom' is not installed; there is" in error
    assert "did you mean 'random'?" in error


def test_ask_says_when_nobody_answers() -> None:
    error = suggest("ask", FILE, "--target", "127.0.0.1:1", status=1)
    assert "127.0.0.1:1: UNAVAILABLE" in error


# ------------------------------------------------------------------ algorithms


def test_algorithms_lists_everything() -> None:
    listed = suggest("algorithms")
    for name in algorithms():
        assert f"\n{name}: " in f"\n{listed}"
        assert f"random_state / seed  (int [0, {2**63 - 1}], default none)" in suggest(
            "algorithms", name
        )
    assert "\n  conditions  (text, default none)\n" in listed
    table = listed.partition("\nabilities:\n")[2].split("\n")
    (row,) = (line.split() for line in table if line.startswith("  cmaes "))
    number = next(k for k, line in enumerate(table) if "conditions between" in line)
    assert row[1 + number] == "-"
    assert "did you mean 'sobol'?" in suggest("algorithms", "sobl", status=2)
    assert "did you mean 'medianstop'?" in suggest("algorithms", "medianstp", status=2)


@pytest.mark.parametrize("name", [*NAMES, *ARCHITECTURES])
def test_the_readme_of_an_algorithm_has_its_settings(name: str) -> None:
    package = ROOT.joinpath(*algorithms().package(name).split("."))
    readme = (package / "README.md").read_text()
    section = suggest("algorithms", name, "--markdown")
    assert section in readme, f"paste the output of: suggest algorithms {name} --markdown"


# ---------------------------------------------------------------------- health


def test_health_asks_a_server(server: ServerProcess) -> None:
    assert suggest("health", server.address) == "SERVING\n"
    name = "manager.v1beta1.Suggestion"
    assert suggest("health", server.address, "--service", name) == "SERVING\n"
    assert "127.0.0.1:1: " in suggest("health", "127.0.0.1:1", "--timeout", 2, status=1)


# ----------------------------------------------------------------------- serve


def test_serve_takes_its_options_from_the_environment() -> None:
    with serving("random", SUGGEST_LOG_FORMAT="json", SUGGEST_WORKERS="2") as server:
        server.stub.GetSuggestions(ask_for(experiment()))
        _, log = server.stop()
    assert json.loads(log.splitlines()[0])["method"] == "GetSuggestions"
    assert "is not in the range 1<=x<=256" in suggest("serve", "--workers", "0", status=2)


def test_serve_wants_certificate_and_key_together() -> None:
    error = suggest("serve", "--tls-cert", FILE, status=2)
    assert "TLS needs both --tls-cert and --tls-key, got no --tls-" in error


# -------------------------------------------------------------- missing packages


@pytest.mark.parametrize(
    ("command", "package", "extra"),
    [
        ("ask", "yaml", "client"),
        ("check", "yaml", "client"),
        ("registration", "yaml", "client"),
        ("run", "rich", "experiments"),
        ("run", "jsonschema", "experiments"),
    ],
)
def test_a_missing_package_names_the_extra_that_brings_it(
    command: str, package: str, extra: str
) -> None:
    arguments = {
        "check": ["127.0.0.1:1"],
        "registration": ["--registry", "example.com/team", "--tag", "1"],
    }.get(command, [FILE])
    # As the import system says it of a package that is not installed.
    code = (
        f"import sys; sys.modules[{package!r}] = None;from suggestion.cli.main import main; main()"
    )
    given = [sys.executable, "-c", code, command, *map(str, arguments)]
    done = subprocess.run(given, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        f"Error: this command needs the package {package!r}, which is not installed; "
        f"pip install 'suggestion-servers[{extra}]' brings it\n"
    )


@pytest.mark.parametrize(
    "target", ["", " ", "x", ":6789", "x:", "x:99999", "x:0", "http://x:1/", "\udcff:1"]
)
def test_an_address_that_is_none(tmp_path: Path, target: str) -> None:
    """An unset variable of a script, say: gRPC would look for a server somewhere else."""
    file = changed(tmp_path)
    for arguments in (
        ("ask", file, "--target", target),
        ("health", target),
        *(("run", file, option, target) for option in ("--target", "--db-manager")),
    ):
        done = CliRunner().invoke(main, [str(part) for part in arguments])
        assert (done.exit_code, done.exception is None) == (2, False)
        assert "must be HOST:PORT with a port from 1 to 65535, got " in done.output


def test_addresses_that_grpc_resolves() -> None:
    for target in ("x:1", "[::1]:65535", "unix:/run/x", "dns:///x.y:1", "ipv4:127.0.0.1:1"):
        assert Target().convert(target, None, None) == target
