"""`suggest validate`: every error in one round, for people and for machines, whatever the file."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from suggestion.cli.main import main
from suggestion.client import algorithm_check, document
from tests.support.files import CONTAINER, GOOD, JOB, text

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def validate(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["validate", *map(str, arguments)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "e.yaml"
    path.write_text(text({}))
    return path


def test_a_valid_file(file: Path) -> None:
    done = validate(file)
    assert (done.exit_code, done.output) == (0, f"{file}: valid\n")


def test_the_examples_are_valid() -> None:
    done = validate(*sorted(EXAMPLES.glob("*.yaml")))
    assert done.exit_code == 0, done.output
    told = [line for line in done.output.splitlines() if not line.endswith(": valid")]
    assert all("short-form.yaml" in line for line in told), told


def test_errors_have_their_lines(file: Path) -> None:
    file.write_text(text({"spec.objective.type": "max", "spec.algorithm.algorithmName": "rndom"}))
    done = validate(file)
    assert done.exit_code == 1
    lines = file.read_text().splitlines()
    for fragment in ("type: max", "algorithmName: rndom"):
        number = next(n for n, line in enumerate(lines, 1) if line.strip() == fragment)
        assert f"error: {file}:{number}: spec." in done.output
    assert "did you mean 'random'?" in done.output
    assert done.output.endswith("2 errors\n")


FILTER = "spec.metricsCollectorSpec.source.filter.metricsFormat"
#: Errors of one field each, and what is said of them.
SINGLE: dict[str, tuple[object, str]] = {
    "spec.objective.type": ("minimise", "got 'minimise'"),
    "spec.objective.goal": (".inf", "must be a finite number"),
    "spec.objective.metricStrategies": ([{"name": "lost", "value": "max"}], "got 'lost'"),
    "spec.algorithm.algorithmName": ("randon", "'randon' is not installed"),
    "spec.parallelTrialCount": (0, "at least 1"),
    "spec.maxTrialCount": (99999999999, "must be at most"),
    "spec.parameters[0].parameterType": ("Double", "got 'Double'"),
    "spec.parameters[1].feasibleSpace.min": ("10", "min must not exceed max"),
    "spec.trialTemplate.retain": (["yes"], "retain"),
    "spec.trialTemplate.trialParameters[0].reference": ("lrr", "got 'lrr'"),
    "spec.trialTemplate.trialParameters[1].description": ([], "description"),
    f"{JOB}.containers[0].args[1]": ("${trialParameters.unit}", "${trialParameters.unit}"),
    f"{CONTAINER}.env": ([{"name": "A=B", "value": "x"}], "got 'A=B'"),
    f"{CONTAINER}.image": (["i"], "containers[0].image: must be text"),
    "spec.metricsCollectorSpec.collector.kind": ("Files", "got 'Files'"),
    FILTER: (["(loss)"], "needs two groups"),
}


def test_an_error_hides_no_other(file: Path) -> None:
    """All come in one round, whatever the section of the file."""
    file.write_text(text({field: value for field, (value, _) in SINGLE.items()}))
    examined = algorithm_check.check(document.examine(file), always=True)
    said = [str(error) for error in examined.errors]
    for field, (_, rule) in SINGLE.items():
        assert any(rule in line for line in said), field


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({f"{CONTAINER}.env": [{"name": "A"}, {"name": "A=B"}]}, "- name: A=B"),
        ({f"{CONTAINER}.args": ["${trialParameters.rate}", "x" * 140_000]}, f"- {'x' * 140_000}"),
    ],
)
def test_a_container_is_named_where_it_stands(
    tmp_path: Path, content: dict[str, Any], place: str
) -> None:
    path = tmp_path / "e.yaml"
    path.write_text(text({**content, "spec.trialTemplate.trialParameters[1].reference": "lr"}))
    lines = path.read_text().splitlines()
    line = next(number for number, each in enumerate(lines, 1) if each.strip() == place)
    errors = document.examine(path).errors
    assert any(f"{path}:{line}: {CONTAINER}." in str(error) for error in errors), errors


def test_for_machines(file: Path) -> None:
    file.write_text(text({"spec.parallelTrialCount": 0, "metadata.name": "7"}))
    done = validate(file, "--format", "json")
    assert done.exit_code == 1
    made = json.loads(done.output)
    assert made["valid"] is False
    assert {(f["severity"], f["field"]) for f in made["findings"]} == {
        ("error", "spec.parallelTrialCount"),
        ("cluster", "metadata.name"),
    }
    assert all(f["file"] == str(file) and f["line"] > 0 for f in made["findings"])


def test_what_a_cluster_refuses_is_an_error_for_who_asks(file: Path) -> None:
    file.write_text(text({"metadata.name": "a" * 41}))
    done = validate(file)
    assert done.exit_code == 0
    assert "cluster: " in done.output
    assert "a cluster refuses it" in done.output
    assert validate(file, "--strict-cluster").exit_code == 1


def test_options_that_change_the_file(file: Path) -> None:
    assert validate(file, "--set", "spec.maxTrialCount=4").exit_code == 0
    done = validate(file, "--set", "maxTrialCount=4")
    assert done.exit_code == 1
    assert "did you mean spec.maxTrialCount?" in done.output
    assert validate(file, "--command", "python x.py ${trialParameters.rate}").exit_code == 1


def test_nothing_is_started_and_nothing_is_left(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr("subprocess.Popen", refuse)
    monkeypatch.chdir(file.parent)
    values = {"suggestion_trial_dir": "/d", "n_population": "5", "truncation_threshold": "0.2"}
    settings = [{"name": name, "value": value} for name, value in values.items()]
    changes = {"spec.algorithm": {"algorithmName": "pbt", "algorithmSettings": settings}}
    file.write_text(text(changes))
    done = validate(file)
    assert done.exit_code == 0, done.output
    assert [path.name for path in file.parent.iterdir()] == [file.name]


# ---------------------------------------------------------------------- bad files

SCALARS: list[Any] = [
    None, "", 0, -1, 10**40, 1.5, float("nan"), True, "x", "\x1b[31m", "é", "${trialParameters.}",
    "${trialSpec.Labels[x]}", "9" * 5000, [], {}, [None], {"x": None}, [[]], "(", "1e999",
]  # fmt: skip


def paths(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a document."""
    entries: Any = ()
    if isinstance(node, dict):
        entries = node.items()
    elif isinstance(node, list):
        entries = enumerate(node)
    return [path, *(deep for key, value in entries for deep in paths(value, (*path, key)))]


def mutated(document: Any, draw: random.Random) -> Any:
    """`document` with some of its nodes replaced, removed, copied or renamed."""
    for _ in range(draw.choice((1, 1, 2, 4))):
        path = draw.choice(paths(document))
        if not path:
            if draw.random() < 0.05:
                return draw.choice(SCALARS)
            continue
        node = document
        for step in path[:-1]:
            node = node[step]
        last = path[-1]
        match draw.randrange(5):
            case 0:
                del node[last]
            case 1 if isinstance(node, dict):
                node[f"{last}{draw.choice(('x', '', ' ', chr(27)))}"] = node.pop(last)
            case 2:
                other = draw.choice(paths(document))
                value = document
                for step in other:
                    value = value[step]
                node[last] = yaml.safe_load(yaml.safe_dump(value))
            case _:
                node[last] = draw.choice(SCALARS)
    return document


@pytest.mark.parametrize("seed", range(6))
def test_no_file_is_answered_by_a_traceback(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    texts = [path.read_text() for path in sorted(EXAMPLES.glob("*.yaml"))]
    path = tmp_path / "e.yaml"
    for _ in range(25):
        base = draw.choice([GOOD, *texts])
        made = mutated(yaml.safe_load(base if isinstance(base, str) else text({})), draw)
        path.write_text(yaml.safe_dump(made))
        for begun in (False, True):
            examined = document.examine(path, runs=not begun, begun=begun)
            found = algorithm_check.check(examined, always=True)
            assert all(str(finding).isprintable() for finding in found.findings)
            assert all(finding.line > 0 for finding in found.findings)


@pytest.mark.parametrize("broken", ["a text", {"algorithmName": 3}, {}, [], None])
def test_an_architecture_of_no_sound_algorithm(tmp_path: Path, broken: object) -> None:
    """The algorithm decides what trials receive."""
    made = yaml.safe_load((EXAMPLES / "nas-enas.yaml").read_text())
    made["spec"]["algorithm"] = broken
    path = tmp_path / "e.yaml"
    path.write_text(yaml.safe_dump(made))
    findings = document.examine(path).findings
    assert any("algorithm" in str(finding) for finding in findings)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"controller_skip_target": "1"}, []),
        ({"search": "controller", "controller_train_steps": "1"}, []),
        (
            {"controller_skip_target": "1", "controller_train_steps": "1"},
            ["setting 'controller_train_steps' makes algorithm 'enas' search with an LSTM contro"],
        ),
        (
            {
                "search": "controller",
                "controller_skip_target": "1",
                "controller_skip_weight": "None",
            },
            ["setting 'controller_skip_target' has no effect with controller_skip_weight None"],
        ),
        (
            {"search": "evolution", "controller_train_steps": "1"},
            ["setting 'controller_train_steps' has no effect with search 'evolution', and must b"],
        ),
    ],
)
def test_what_settings_of_enas_mean_together(
    tmp_path: Path, given: dict[str, str], told: list[str]
) -> None:
    path = tmp_path / "e.yaml"
    content = yaml.safe_load((EXAMPLES / "nas-enas.yaml").read_text())
    settings = [{"name": name, "value": value} for name, value in given.items()]
    content["spec"]["algorithm"]["algorithmSettings"] = settings
    path.write_text(yaml.safe_dump(content))
    # As `suggest run` reads it; what would be run is kept.
    examined = algorithm_check.check(document.examine(path), always="evolution" in given.values())
    found = [
        finding.text[: len(text)] for finding, text in zip(examined.findings, told, strict=False)
    ]
    assert found == told
    assert len(examined.findings) == len(told)
    refused = "evolution" in given.values()
    assert (examined.loaded is None) == refused
    if examined.loaded is not None:
        assert examined.loaded.findings == examined.findings


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"a: [", b"- &a [*a]", b"? [a]\n: b", b"a: \"\\ud800\"", b"a: \"\\0\"",
     b"---\n---\n", b"kind: Experiment\n---\nkind: Experiment", b"!!python/none x", b"\t"],
)  # fmt: skip
def test_what_is_no_yaml(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "e.yaml"
    path.write_bytes(content)
    done = validate(path)
    assert done.exit_code == 1
    assert done.output.startswith(f"error: {path}")
