"""The suite as a program: command, reports, evidence, pytest, README."""

from __future__ import annotations

import ast
import json
import random
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result
from google.protobuf import json_format

from suggestion.api.v1beta1 import api_pb2 as pb
from suggestion.cli.main import main as suggest
from suggestion.conformance import document, messages, report
from suggestion.conformance.check import Check, Level, Outcome, Service, all_checks, select
from suggestion.conformance.checks.learning import BOWL, HILL, random_search
from suggestion.conformance.cli import check
from suggestion.conformance.runner import run_one
from suggestion.conformance.session import Session
from suggestion.conformance.space import Parameter, Space

from . import bad, reference

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "conformance_tests" / "README.md"
SERVE = f"{sys.executable} -m suggestion serve random --address 127.0.0.1:{{port}}"
QUICK = ("--only", "exact-count", "--only", "health", "--only", "nan-metric")


@pytest.fixture
def good() -> Iterator[str]:
    with reference.serving(reference.Suggestion) as server:
        yield server.address


@pytest.fixture
def wrong() -> Iterator[str]:
    with reference.serving(bad.OneTooFew) as server:
        yield server.address


def suggest_check(*arguments: str) -> Result:
    return CliRunner().invoke(check, arguments)


def test_readme_lists_every_check() -> None:
    """Mend it with: python scripts/list_checks.py."""
    text = README.read_text("utf-8")
    section = text[text.index(report.BEGIN) : text.index(report.END) + len(report.END)]
    assert section == report.list_of(all_checks())


def test_readme_names_only_options_that_exist() -> None:
    options = {option for parameter in check.params for option in parameter.opts}
    text = README.read_text("utf-8")
    named = set(re.findall(r"`(--[a-z-]+)", text[: text.index(report.BEGIN)]))
    assert named - options == set()


def test_status_is_0_if_every_check_passed(good: str) -> None:
    result = suggest_check(good, "--algorithm", "reference", *QUICK)
    assert (result.exit_code, "3 passed" in result.output) == (0, True)


def test_status_is_1_if_one_failed(wrong: str) -> None:
    result = suggest_check(wrong, "--algorithm", "reference", *QUICK)
    assert result.exit_code == 1
    assert "a reply must hold 2 suggestions, got 1" in result.output


def test_status_is_3_if_one_could_not_be_run(good: str) -> None:
    result = suggest_check(good, "--algorithm", "reference", *QUICK, "--only", "restart")
    assert result.exit_code == 3
    assert "1 not run" in result.output


def test_what_does_not_apply_is_not_held_against_a_server(good: str) -> None:
    result = suggest_check(good, "--algorithm", "reference", *QUICK, "--only", "rung-progress")
    assert (result.exit_code, "1 n/a" in result.output) == (0, True)


@pytest.mark.integration
def test_a_server_of_ours_is_started_and_killed() -> None:
    only = ("--only", "restart", "--only", "memory", "--only", "restart-changes-nothing")
    result = suggest_check("--start", SERVE, "--algorithm", "random", *only)
    assert (result.exit_code, "3 passed" in result.output) == (0, True), result.output


@pytest.mark.integration
def test_a_server_behind_another_program_is_stopped_by_a_command(tmp_path: Path) -> None:
    # As a container is: killing the client that has started it leaves it running.
    note = f"{tmp_path}/{{port}}"
    start = f"sh -c 'setsid {SERVE} & echo $! > {note}; wait'"
    stop = f"sh -c 'kill -9 $(cat {note})'"
    only = ("--only", "restart", "--only", "memory")
    result = suggest_check("--start", start, "--stop", stop, "--algorithm", "random", *only)
    # It was killed and served again; its memory is not that of the command.
    assert "1 passed, 1 not run" in result.output
    assert result.exit_code == 3
    status = f"sh -c 'cat /proc/$(cat {note})/status'"
    result = suggest_check(
        "--start", start, "--stop", stop, "--status", status, "--algorithm", "random", *only
    )
    assert (result.exit_code, "2 passed" in result.output) == (0, True), result.output


def test_a_command_that_does_not_serve_is_shown() -> None:
    result = suggest_check("--start", "sh -c 'echo no license; exit 7'", "--algorithm", "random")
    assert result.exit_code == 1
    assert "ended with status 7 before it served: no license" in result.output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "must be given"),
        (("127.0.0.1:1",), "--algorithm or --experiment"),
        (("127.0.0.1:1", "--algorithm", "x", "--profile", "y"), "there is no profile 'y'"),
        (("127.0.0.1:1", "--algorithm", "x", "--only", "y"), "there is no check 'y'"),
        (("127.0.0.1:1", "--algorithm", "x", "--setting", "y"), "NAME=VALUE, got 'y'"),
        (("127.0.0.1:1", "--algorithm", "x", "--report", "y.pdf"), "must end in .md, .json, .xml"),
        (("127.0.0.1:1", "--algorithm", "x", "--experiment", __file__), "must be an Experiment"),
    ],
)
def test_bad_options_are_usage_errors(arguments: tuple[str, ...], text: str) -> None:
    result = suggest_check(*arguments)
    assert (result.exit_code, text in result.output) == (2, True), result.output


def test_reports_tell_the_same(wrong: str, tmp_path: Path) -> None:
    paths = [tmp_path / f"report{suffix}" for suffix in report.FORMATS]
    options = [text for path in paths for text in ("--report", str(path))]
    suggest_check(wrong, "--algorithm", "reference", *QUICK, "--only", "restart", *options)
    markdown, as_json, junit = (path.read_text("utf-8") for path in paths)
    told = {entry["id"]: entry["outcome"] for entry in json.loads(as_json)["results"]}
    assert told == {
        "health": "passed",
        "exact-count": "failed",
        "nan-metric": "passed",
        "restart": "not run",
    }
    suite = ElementTree.fromstring(junit)[0]
    assert suite.attrib | {"name": "", "time": ""} == {
        "name": "",
        "time": "",
        "tests": "4",
        "failures": "1",
        "skipped": "1",
        "errors": "0",
    }
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failed == ["exact-count"]
    rows = re.findall(r"^\| `([a-z-]+)` \| \w+ \| ([a-z ]+) \|", markdown, re.MULTILINE)
    assert dict(rows) == told


def test_evidence_can_be_sent_again(wrong: str, tmp_path: Path) -> None:
    suggest_check(wrong, "--algorithm", "reference", *QUICK, "--evidence", str(tmp_path))
    folder = tmp_path / "exact-count"
    assert sorted(path.name for path in folder.iterdir()) == [
        "reply.txt",
        "request.json",
        "rule.txt",
    ]
    request = json_format.Parse(
        (folder / "request.json").read_text("utf-8"), pb.GetSuggestionsRequest()
    )
    reply = json.loads((folder / "reply.txt").read_text("utf-8"))
    assert len(reply["parameterAssignments"]) == request.current_request_number - 1


def test_what_is_printed_can_be_sent_again(wrong: str) -> None:
    output = suggest_check(wrong, "--algorithm", "reference", "--only", "exact-count").output
    line = output[output.index("request of Suggestion/GetSuggestions:") :].splitlines()[1]
    request = json_format.Parse(line, pb.GetSuggestionsRequest())
    assert request.current_request_number == 3


def test_suggest_ask_takes_the_evidence(wrong: str, tmp_path: Path) -> None:
    suggest_check(wrong, "--algorithm", "reference", *QUICK, "--evidence", str(tmp_path))
    evidence = str(tmp_path / "exact-count" / "request.json")
    arguments = ("ask", evidence, "--target", wrong, "--output", "json")
    asked = CliRunner().invoke(suggest, arguments)
    assert asked.exit_code == 0, asked.output
    assert len(json.loads(asked.stdout)) == 1  # of two


def test_evidence_of_a_validation_is_a_request_that_validates(tmp_path: Path) -> None:
    with reference.serving(bad.accepting("refuse-empty-list")) as server:
        only = ("--only", "refuse-empty-list", "--evidence", str(tmp_path))
        suggest_check(server.address, "--algorithm", "reference", *only)
    data = json.loads((tmp_path / "refuse-empty-list" / "request.json").read_text("utf-8"))
    names = [p["name"] for p in data["experiment"]["spec"]["parameterSpecs"]["parameters"]]
    assert names[-1] == "culprit"


def test_an_experiment_file_says_what_to_ask(good: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        """
        apiVersion: kubeflow.org/v1beta1
        kind: Experiment
        metadata: {name: mine}
        spec:
          objective: {type: maximize, objectiveMetricName: accuracy}
          algorithm:
            algorithmName: reference
            algorithmSettings: [{name: warmup, value: "3"}]
          parameters:
            - name: rate
              parameterType: double
              feasibleSpace: {min: 1e-3, max: 1, distribution: logUniform}
            - name: mode
              parameterType: categorical
              feasibleSpace: {list: [on, off, 1.0]}
        """,
        "utf-8",
    )
    read = document.read(path)
    assert list(read.spec.parameter_specs.parameters) == [
        messages.double("rate", "1e-3", "1", distribution="logUniform"),
        messages.categorical("mode", "on", "off", "1.0"),
    ]
    result = suggest_check(good, "--experiment", str(path), *QUICK)
    assert (result.exit_code, "(reference)" in result.output) == (0, True)


def test_an_experiment_file_may_name_another_resource(good: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        """
        metadata: {name: mine}
        spec:
          algorithm:
            algorithmName: reference-rungs
            algorithmSettings:
              - {name: r_l, value: "27"}
              - {name: resource_name, value: steps}
          parameters:
            - {name: x, parameterType: double, feasibleSpace: {min: 0, max: 1}}
            - {name: steps, parameterType: int, feasibleSpace: {min: 1, max: 27}}
        """,
        "utf-8",
    )
    only = ("--only", "rung-progress", "--only", "resource-values", "--only", "exact-count")
    result = suggest_check(good, "--experiment", str(path), "--profile", "hyperband", *only)
    assert (result.exit_code, "3 passed" in result.output) == (0, True), result.output


@pytest.mark.parametrize("space", ["{min: 0}", "{min: few, max: 1}", "{list: 3}"])
def test_an_experiment_that_cannot_be_reckoned_with_is_refused(space: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    parameter = f"{{name: x, parameterType: double, feasibleSpace: {space}}}"
    path.write_text(f"metadata: {{name: mine}}\nspec: {{parameters: [{parameter}]}}", "utf-8")
    with pytest.raises(document.Unreadable, match="must be an Experiment file"):
        document.read(path)


def test_strict_includes_contract() -> None:
    contract, strict = (set(select(list(Service), level)) for level in Level)
    assert contract < strict


@pytest.mark.integration
def test_pytest_makes_a_test_of_every_check(good: str, wrong: str) -> None:
    def run(target: str) -> subprocess.CompletedProcess[str]:
        options = ("--target", target, "--algorithm", "reference", "-q", "-p", "no:cacheprovider")
        chosen = ("-k", "exact-count or nan-metric or restart")
        command = [sys.executable, "-m", "pytest", "conformance_tests", *options, *chosen]
        return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)

    passed, failed = run(good), run(wrong)
    assert (passed.returncode, failed.returncode) == (0, 1), passed.stdout + failed.stdout
    assert "2 passed, 1 skipped" in passed.stdout
    assert "1 failed, 1 passed, 1 skipped" in failed.stdout
    assert "current_request_number 2: a reply must hold 2 suggestions, got 1" in failed.stdout


def test_a_check_that_breaks_has_not_passed(good: str) -> None:
    def broken(session: Session) -> None:
        raise ZeroDivisionError("in the judge")

    session = Session(reference.PROFILE, good)
    try:
        result = run_one(
            Check("broken", Service.SUGGESTION, Level.CONTRACT, "", broken), session, None
        )
    finally:
        session.close()
    assert result.outcome is Outcome.NOT_RUN
    assert "the check itself failed at broken" in result.reason


def test_the_suite_knows_servers_by_the_protocol_alone() -> None:
    imported = set()
    for path in (ROOT / "conformance_tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                imported.add(node.module)
            elif isinstance(node, ast.Import):
                imported.update(alias.name for alias in node.names)
    ours = {name for name in imported if name and name.partition(".")[0] == "suggestion"}
    apart = {name for name in ours if not name.startswith("suggestion.conformance")}
    assert apart == {"suggestion.api.v1beta1"}


# ---------------------------------------------------------------- the judge's own arithmetic


def test_a_parameter_knows_its_lattice() -> None:
    stepped = Parameter(messages.double("p", "0.1", "0.9", step="0.1"))
    assert stepped.size == 9
    assert [stepped.text(k / 9) for k in range(9)] == [f"0.{k}" for k in range(1, 10)]
    assert stepped.off_lattice("0.3") is None
    assert stepped.off_lattice("3e-1") is None
    assert stepped.off_lattice("0.30000000000000004") is not None
    assert stepped.off_lattice("0.35") is not None


@pytest.mark.parametrize(
    "spec",
    messages_priors := [
        messages.double("p", "-5", "5"),
        messages.double("p", "1e-5", "1", distribution="logUniform"),
        messages.double("p", "0", "1", distribution="normal"),
        messages.double("p", "1e-4", "1", distribution="logNormal"),
        messages.integer("p", "0", "10", distribution="normal"),
        messages.integer("p", "1", "1000", distribution="logUniform"),
        messages.categorical("p", "a", "b", "c"),
    ],
)
def test_quantiles_have_the_distribution_that_they_are_quantiles_of(spec: pb.ParameterSpec) -> None:
    parameter = Parameter(spec)
    even = [parameter.text((k + 0.5) / 600) for k in range(600)]
    assert parameter.distance(even) < 0.01
    assert parameter.distance([parameter.text((k + 0.5) / 1200) for k in range(600)]) > 0.3


def test_normal_is_told_from_uniform() -> None:
    normal = Parameter(messages.double("p", "0", "1", distribution="normal"))
    uniform = [repr((k + 0.5) / 600) for k in range(600)]
    assert normal.distance(uniform) > 0.15  # the bound of the check is 0.11


@pytest.mark.long
def test_random_search_is_the_median_of_random_searches() -> None:
    for problem in (BOWL, HILL):
        space, draw = Space(problem.parameters), random.Random(7)
        choose = max if problem.maximize else min
        bests = [
            choose(
                problem.value(space, space.point([draw.random() for _ in problem.parameters]))
                for _ in range(20)
            )
            for _ in range(400)
        ]
        bar = random_search(problem, 20)
        beaten = sum(value > bar if problem.maximize else value < bar for value in bests)
        # 400 coins: five deviations of 10 on either side.
        assert 150 < beaten < 250, statistics.median(bests)
