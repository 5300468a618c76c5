"""Ask and tell: in this process and against a server, the same."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, SupportsFloat, cast

import numpy as np
import pytest

import suggestion as sg
from suggestion.api.v1beta1.messages import write_experiment
from suggestion.client import manifest, schema
from suggestion.client.ask_tell import AskTell
from suggestion.client.transports import InProcess
from suggestion.tuning.solvers import Suggested
from tests.support.cases import WITH_EXAMPLE, case_of
from tests.support.certificates import issue
from tests.support.servers import ServerProcess, serving

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SPACE = {"x": sg.uniform(-5, 5), "n": sg.integer(1, 4), "kind": ["a", "b"]}


def loss_of(point: Mapping[str, object]) -> float:
    return sum(len(str(value)) + float(len(name)) for name, value in point.items())


def rounds(study: sg.Study, count: int = 5, width: int = 3) -> list[dict[str, object]]:
    """Points of some rounds, told in a mixed order; one fails and one is left running."""
    mixed = random.Random(1)
    seen = []
    waiting: list[sg.Point] = []
    for _ in range(count):
        waiting += study.ask(width)
        mixed.shuffle(waiting)
        while len(waiting) > 1:
            point = waiting.pop()
            value = math.nan if point.number % 5 == 3 else loss_of(point)
            study.tell(point, value)
    for trial in study.trials:
        seen.append(dict(trial.parameters))
    return seen


def test_a_point_that_cannot_be_read_starts_none(monkeypatch: pytest.MonkeyPatch) -> None:
    study = sg.Study({"n": sg.integer(1, 4)})
    made = [Suggested({"n": "1"}), Suggested({"n": "one"})]
    monkeypatch.setattr(study._solver, "suggest", lambda count: made)
    with pytest.raises(ValueError, match="one"):
        study.ask(2)
    assert (study.running, len(study)) == ([], 0)


@pytest.mark.parametrize("name", [n for n in WITH_EXAMPLE if n != "pbt"])
def test_suggestions_are_the_servers(name: str, server: ServerProcess) -> None:
    """In this process, against a server, and by the messages of the API: one and the same."""
    settings = dict(case_of(name).settings)
    example = EXAMPLES / f"{name}.yaml"
    here = sg.Study(example, algorithm=name, settings=settings, name="same")
    there = sg.Study(example, algorithm=name, settings=settings, name="same", target=server.address)
    points = rounds(here)
    assert points == rounds(there)

    document = manifest.load(example, schema.EXPERIMENT, kind="Experiment").document
    document["metadata"]["name"] = "same"
    document["spec"].pop("earlyStopping", None)
    for key in ("maxTrialCount", "parallelTrialCount"):
        document["spec"].pop(key, None)
    document["spec"]["objective"] = {"type": "minimize", "objectiveMetricName": "value"}
    document["spec"]["algorithm"] = {
        "algorithmName": name,
        "algorithmSettings": [{"name": key, "value": value} for key, value in settings.items()],
    }
    loop = AskTell(write_experiment(document), InProcess())
    first = loop.ask(3)
    assert [here._space.decode(trial.assignment) for trial in first] == points[:3]


def test_a_point_is_a_mapping_and_tells_its_trial() -> None:
    study = sg.Study(SPACE, seed=3)
    one = study.ask()
    two, three = study.ask(2)
    assert [point.number for point in (one, two, three)] == [0, 1, 2]
    assert dict(one) != dict(two)
    assert study.running == [one, two, three]
    study.tell(three, 3.0)
    study.tell(one, {"value": 1, "size": 7})
    study.tell(two, None)
    assert [trial.state for trial in study.trials] == [
        sg.State.SUCCEEDED,
        sg.State.FAILED,
        sg.State.SUCCEEDED,
    ]
    assert study.best.number == 0
    assert study.best.parameters == dict(one)
    assert study.best.metrics == {"value": 1.0, "size": 7.0}
    assert repr(study) == "<Study 'study': minimize value, tpe, 3 trials, best 1>"


def test_maximize() -> None:
    study = sg.Study(SPACE, maximize="accuracy")
    for value in (0.5, 0.9, 0.9, math.inf, 0.1):
        study.tell(study.ask(), {"accuracy": value})
    assert (study.best.number, study.best.value) == (1, 0.9)
    assert study.trials[3].state is sg.State.FAILED
    assert sg.Study(SPACE, maximize=True)._objective.metric == "value"


def test_points_that_nobody_suggested() -> None:
    study = sg.Study(SPACE)
    study.tell({"x": 1, "n": 2.0, "kind": "b"}, 0.5)
    point = study.ask()
    study.tell(dict(point), 0.25)  # a running one, by its values
    assert [trial.number for trial in study.trials] == [0, 1]
    assert study.best.number == 1
    with pytest.raises(sg.InvalidArgument) as caught:
        study.tell({"x": 9, "n": 2, "other": 1}, 0.5)
    assert str(caught.value).splitlines() == [
        "point['other']: must be a parameter of the space (x, n, kind)",
        "point['x']: must be in space['x'], got 9",
        "point: must have a value for 'kind', got none",
    ]
    assert len(study) == 2


def test_conditions_constraints_and_initial_points(server: ServerProcess, tmp_path: Path) -> None:
    """Points lack what is not active, here and at a server."""
    space = {"kind": ["a", "b"], "x": sg.uniform(0, 1), "f": [abs, max]}
    declared: dict[str, Any] = {
        "conditions": "x if kind == 'a'",
        "constraints": ["x <= 0.5"],
        "initial_points": [{"kind": "b", "f": max}, {"kind": "a", "x": 0.25}],
    }
    here = sg.Study(space, seed=1, **declared)
    there = sg.Study(space, seed=1, **declared, target=server.address)
    for _ in range(8):
        points = [here.ask(), there.ask()]
        assert points[0] == points[1]
        for study, point in zip((here, there), points, strict=True):
            study.tell(point, 1.0 if "x" in point else 2.0)
    assert dict(here.trials[0].parameters) == {"kind": "b", "f": max}
    assert here.trials[1].parameters["x"] == 0.25
    assert {"x" in t.parameters for t in here.trials} == {False, True}
    assert all(float(str(t.parameters.get("x", 0))) <= 0.5 for t in here.trials)
    for study in (here, there):
        study.tell({"kind": "b", "f": abs}, 0.5)
        assert study.best.parameters == {"kind": "b", "f": abs}
        with pytest.raises(
            sg.InvalidArgument, match=r"^point: must have a value for 'x', got none"
        ):
            study.tell({"kind": "a", "f": abs}, 0.5)
        with pytest.raises(sg.InvalidArgument) as caught:
            study.tell({"kind": "b", "f": abs, "z": 1}, 0.5)
        assert [rule.place for rule in caught.value.broken] == ["point['z']"]
    here.save(tmp_path / "study.json")
    again = sg.Study.load(tmp_path / "study.json", space)
    assert again.ask() == here.ask() == there.ask()


def test_half_letters() -> None:
    """Of a text that was decoded with surrogateescape, say; no message can hold them."""
    study = sg.Study({"x": sg.choice(["\udcff", "'\\udcff'", "b"])}, algorithm="grid")
    assert {study.ask()["x"] for _ in range(3)} == {"\udcff", "'\\udcff'", "b"}
    with pytest.raises(sg.InvalidArgument) as caught:
        sg.Study({"\udcff": sg.uniform(0, 1)}, name="\udcff")
    assert {rule.place for rule in caught.value.broken} == {"name", "space['\\udcff']"}


def test_a_space_that_is_too_large_breaks_a_rule() -> None:
    with pytest.raises(sg.InvalidArgument, match=r"^space: the lists .* at most 20000 entries"):
        sg.Study({"x": range(30_000)})


def test_what_is_wrong_with_them_is_said_in_the_words_of_the_call() -> None:
    space = {"kind": ["a", "b"], "x": sg.uniform(0, 1)}
    with pytest.raises(sg.InvalidArgument) as caught:
        sg.Study(
            space,
            settings={"conditions": "x if kind == 'a'"},
            conditions=3,  # type: ignore[arg-type]
            constraints=["x <", 1],  # type: ignore[list-item]
            initial_points=[{"x": 2, "y": 1}, 4],  # type: ignore[list-item]
        )
    assert str(caught.value).splitlines() == [
        "conditions: must not be given together with settings['conditions']",
        "conditions: must be a text, or a list of texts, got 3",
        "constraints: must be a text, or a list of texts, got ['x <', 1]",
        "initial_points[0]['y']: must be a parameter of the space (kind, x)",
        "initial_points[0]['x']: must be in space['x'], got 2",
        "initial_points[1]: must be a mapping, got 4",
    ]
    with pytest.raises(sg.InvalidArgument) as caught:
        sg.Study(space, conditions="x if kin == 'a'", constraints="x < kind")
    assert {rule.place for rule in caught.value.broken} == {"conditions", "constraints"}
    with pytest.raises(sg.InvalidArgument) as caught:
        sg.Study({"x": sg.uniform(1, 0)}, settings={"gama": 1}, minimize="a", maximize="b")
    assert [rule.place for rule in caught.value.broken] == [
        "space['x'].min",
        "maximize",
        "settings['gama']",
    ]


def test_what_cannot_be_told() -> None:
    study = sg.Study(SPACE, maximize="accuracy")
    point = study.ask()
    for value in ("0.3", {"loss": 1.0}, {}, [1.0]):
        with pytest.raises(sg.InvalidArgument, match=r"^value: must "):
            study.tell(point, value)  # type: ignore[arg-type]
    study.tell(point, 0.3)
    with pytest.raises(sg.InvalidArgument, match="must be told once"):
        study.tell(point, 0.3)
    with pytest.raises(sg.InvalidArgument, match="must be a point of this study"):
        sg.Study(SPACE, seed=7).tell(point, 0.3)
    with pytest.raises(sg.InvalidArgument, match="count: must be at least 1, got 0"):
        study.ask(0)
    for count in ("2", 1.5, True):
        with pytest.raises(sg.InvalidArgument, match=f"count: must be at least 1, got {count!r}"):
            study.ask(count)  # type: ignore[arg-type]
    assert len(study.ask(cast(int, np.int64(2)))) == 2
    with pytest.raises(sg.InvalidArgument, match="point: must be a point of this study, or a m"):
        study.tell(5, 1.0)  # type: ignore[arg-type]
    with pytest.raises(sg.NoResult):
        _ = sg.Study(SPACE).best


class Tensor:
    """Of several values, as torch's: its ``float()`` raises RuntimeError."""

    def __float__(self) -> float:
        raise RuntimeError("a Tensor with 2 elements cannot be converted to Scalar")

    def __repr__(self) -> str:
        return "Tensor([1, 2])"


@pytest.mark.parametrize(
    "value", [np.float32(0.5), np.array(0.5), Fraction(1, 2), Decimal("0.5")], ids=repr
)
def test_numbers_of_any_library_are_told(value: SupportsFloat) -> None:
    study = sg.Study(SPACE)
    study.tell(study.ask(), value)
    study.tell(study.ask(), {"value": value, "speed": np.int64(3)})
    assert [(t.value, type(t.value)) for t in study.trials] == [(0.5, float)] * 2
    assert study.trials[1].metrics == {"value": 0.5, "speed": 3.0}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (np.array([1.0, 2.0]), "ndarray of shape (2,)"),
        (Tensor(), "Tensor([1, 2])"),
        (np.complex128(1j), "np.complex128(1j)"),
        (10**400, "1000000000"),
    ],
    ids=["array", "tensor", "complex", "huge"],
)
def test_what_is_no_number_is_named_with_its_metric(value: SupportsFloat, shown: str) -> None:
    study = sg.Study(SPACE)
    point = study.ask()
    with pytest.raises(sg.InvalidArgument) as caught:
        study.tell(point, value)
    assert str(caught.value).startswith(f"value: must be a number, got {shown}")
    with pytest.raises(sg.InvalidArgument) as caught:
        study.tell(point, {"speed": value, "loss": 1})
    assert [rule.place for rule in caught.value.broken] == ["value['speed']", "value"]
    assert study.running == [point]


def test_all_that_is_wrong_with_settings_is_said_at_once(server: ServerProcess) -> None:
    for target in (None, server.address):
        with pytest.raises(sg.InvalidArgument) as caught:
            sg.Study(SPACE, settings={"gamma": 1.5, "bogus": True, "prior_weight": None}, seed=-1,
                     target=target)  # fmt: skip
        places = [rule.place for rule in caught.value.broken]
        assert places == [
            "seed",
            "settings['gamma']",
            "settings['bogus']",
            "settings['prior_weight']",
        ]
        with pytest.raises(sg.InvalidArgument, match=r"algorithm: .*did you mean 'random'"):
            sg.Study(SPACE, algorithm="randon", target=target)
        with pytest.raises(sg.InvalidArgument, match=r"space\['x'\]\.step: .*grid"):
            sg.Study(SPACE, algorithm="grid", target=target)
    with pytest.raises(sg.InvalidArgument, match=r"^minimize: several objectives go to the arg"):
        sg.Study(SPACE, minimize=["a", "b"])  # type: ignore[arg-type]
    with pytest.raises(sg.InvalidArgument, match=r"^seed: must not be given together with"):
        sg.Study(SPACE, seed=1, settings={"random_state": 2})
    with pytest.raises(sg.InvalidArgument, match=r"^maximize: must not be given together with"):
        sg.Study(SPACE, minimize="a", maximize="b")


def test_broken_points_hide_no_other_broken_rule() -> None:
    with pytest.raises(sg.InvalidArgument) as caught:
        sg.Study(
            {"x": sg.uniform(0, 1)},
            algorithm="random",
            conditions="x if y",
            constraints=["q < 1"],
            initial_points=[{"x": 5}, {"w": 1}],
            settings={"gama": 1},
        )
    assert [rule.place for rule in caught.value.broken] == [
        "initial_points[0]['x']",
        "initial_points[1]['w']",
        "settings['gama']",
        "conditions",
        "constraints",
    ]
    with pytest.raises(sg.InvalidArgument, match=r"^settings: must map names to values, got 'g=1"):
        sg.Study(SPACE, settings="g=1")  # type: ignore[arg-type]
    with pytest.raises(sg.InvalidArgument, match=r"^algorithm: the algorithm name must not be em"):
        sg.Study(SPACE, algorithm="")


@pytest.mark.parametrize("target", ["http://localhost:1", "localhost", "h:0", ""])
def test_a_target_that_is_no_address_is_refused(target: str) -> None:
    with pytest.raises(sg.InvalidArgument, match=r"^target: must be HOST:PORT"):
        sg.Study(SPACE, target=target)


def test_the_end_of_a_space(server: ServerProcess) -> None:
    for target in (None, server.address):
        study = sg.Study({"n": sg.integer(1, 3)}, algorithm="grid", target=target)
        assert sorted(point.as_int("n") for point in study.ask(3)) == [1, 2, 3]
        with pytest.raises(sg.SpaceExhausted):
            study.ask()


def test_a_server_that_does_not_answer() -> None:
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1:1: "):
        sg.Study(SPACE, target="127.0.0.1:1", timeout=0.2)


def test_tls(tmp_path: Path) -> None:
    issue(tmp_path, "localhost")
    files = ("--tls-cert", str(tmp_path / "server.pem"), "--tls-key", str(tmp_path / "server.key"))
    with serving("random", *files) as server:
        tls = sg.TLS(tmp_path / "ca.pem", name="localhost")
        there = sg.Study(SPACE, algorithm="random", target=server.address, tls=tls)
        assert there.ask(3) == sg.Study(SPACE, algorithm="random").ask(3)
    ca, certificate, key = tmp_path / "ca.pem", tmp_path / "server.pem", tmp_path / "server.key"
    for wrong, text in (
        (sg.TLS(ca, certificate), "tls: certificate and key go together, got no key"),
        (sg.TLS(ca, certificate, tmp_path / "client.key"), r"tls\.key: does not belong to .*got"),
        (sg.TLS(key), r"tls\.ca: must hold certificates in PEM, got"),
        (sg.TLS(tmp_path / "none.pem"), r"tls\.ca: cannot be read: No such file"),
    ):
        with pytest.raises(sg.InvalidArgument, match=text):
            sg.Study(SPACE, target="x:1", tls=wrong)


# --------------------------------------------------------------------- storage


@pytest.mark.parametrize("remote", [False, True])
def test_a_study_goes_on_where_it_was(tmp_path: Path, server: ServerProcess, remote: bool) -> None:
    target = server.address if remote else None
    study: sg.Study = sg.Study(SPACE, seed=4, target=target, maximize="score")
    for point in study.ask(12):
        study.tell(point, None if point.number == 5 else {"score": loss_of(point), "b": 1e300})
    left = study.ask()
    study.save(tmp_path / "study.json")
    again: sg.Study = sg.Study.load(tmp_path / "study.json", target=target)
    assert again.trials == study.trials
    assert again.best == study.best
    assert again.running == [left]
    assert [dict(point) for point in again.ask(3)] == [dict(point) for point in study.ask(3)]
    again.tell(left, 7)
    assert again.trials[12].value == 7
    assert [path.name for path in tmp_path.iterdir()] == ["study.json"]


def test_choices_that_json_cannot_hold(tmp_path: Path) -> None:
    space = {"f": [math.sin, math.cos], "x": sg.uniform(0, 1)}
    study = sg.Study(space)
    study.tell(study.ask(), 1)
    study.save(tmp_path / "s.json")
    with pytest.raises(sg.InvalidArgument, match="cannot be stored; give the space again"):
        sg.Study.load(tmp_path / "s.json")
    again = sg.Study.load(tmp_path / "s.json", space)
    assert again.best.parameters["f"] in (math.sin, math.cos)
    with pytest.raises(sg.InvalidArgument, match=r"^space: must be the space of the study"):
        sg.Study.load(tmp_path / "s.json", {"f": [math.sin]})


@pytest.mark.parametrize("text", ["", "[]", '{"format": 9, "space": [], "trials": []}', "{"])
def test_what_is_no_study_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "s.json"
    path.write_text(text)
    with pytest.raises(sg.InvalidArgument, match=r"s\.json: must "):
        sg.Study.load(path)


@pytest.mark.parametrize("lost", ["name", "objective", "settings", "state", "parameterType"])
def test_a_damaged_study_is_refused(tmp_path: Path, lost: str) -> None:
    path = tmp_path / "study.json"
    study = sg.Study(SPACE)
    study.tell(study.ask(), 1)
    study.save(path)
    path.write_text(path.read_text().replace(f'"{lost}":', '"lost":'))
    with pytest.raises(sg.InvalidArgument, match="must hold a whole study, got a damaged one"):
        sg.Study.load(path)


def test_a_study_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "study.json"
    sg.Study(SPACE).save(path)
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(sg.InvalidArgument, match="format 1, got 2: written by a later version"):
        sg.Study.load(path)


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = sg.Study(SPACE)
    path = tmp_path / "s.json"
    study.save(path)
    before = path.read_text()
    study.ask()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        study.save(path)
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]
    json.loads(before)


def test_a_study_in_this_process_needs_neither_grpc_nor_protobuf() -> None:
    program = """
import sys, suggestion as sg
study = sg.Study({"x": sg.uniform(0, 1)})
study.tell(study.ask(), 1.0)
assert not {"grpc", "google.protobuf", "yaml", "click"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
