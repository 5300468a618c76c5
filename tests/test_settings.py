"""Settings: declared as fields, read from text, refused by name, value and rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pytest

from suggestion.earlystopping.rule import rules
from suggestion.engine.algorithm import Registry, Unavailable, algorithms, register, settings_of
from suggestion.engine.settings import (
    REQUIRED,
    SEED,
    RawSetting,
    configure,
    describe,
    given_names,
    setting,
)
from suggestion.problem.errors import Invalid


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A class with a setting of every kind."""

    ignored: ClassVar[frozenset[str]] = frozenset({"s_max"})

    gamma: float = setting(0.25, above=0, below=1, help="Share.")
    n_ei_candidates: int = setting(24, at_least=1, alias="n_EI_candidates", help="Draws.")
    estimator: Literal["GP", "RF"] = setting("GP", help="Surrogate.")
    strategy: Literal["none", "None", "ipop"] | None = setting(None, help="Restarts.")
    temperature: float | None = setting(5.0, above=0, help="Softmax.")
    verbose: bool = setting(False, help="More.")
    directory: str = setting(REQUIRED, help="Where to write.")
    threshold: float = setting(0.2, at_least=0, at_most=0.5, help="Share.")
    given: frozenset[str] = given_names()


def read(*pairs: tuple[str, str], directory: bool = True) -> Sample:
    given = [RawSetting("directory", "/data")] if directory else []
    given += [RawSetting(*pair) for pair in pairs]
    return configure(Sample, "algorithm 'sample'", given, common=(SEED,))[0]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("gamma", " 0.5 ", 0.5),
        ("gamma", "1e-3", 0.001),
        ("n_ei_candidates", "3", 3),
        ("n_ei_candidates", "3.0", 3),
        ("n_EI_candidates", "1e3", 1000),
        ("estimator", "RF", "RF"),
        ("strategy", "none", None),
        ("strategy", "None", None),
        ("strategy", "ipop", "ipop"),
        ("temperature", "None", None),
        ("temperature", "2", 2.0),
        ("verbose", "True", True),
        ("threshold", "0", 0.0),
        ("threshold", "0.5", 0.5),
    ],
)
def test_texts_become_values(name: str, text: str, value: object) -> None:
    assert getattr(read((name, text)), name.lower()) == value


def test_a_class_can_know_what_was_given() -> None:
    """By the first name of a setting, its default included; what is common is not its own."""
    assert read(("n_EI_candidates", "24"), ("seed", "3")).given == {"directory", "n_ei_candidates"}
    assert Sample(directory="/data").given == frozenset()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("gamma", "1.5", "setting 'gamma' must be less than 1, got 1.5"),
        ("gamma", "0", "setting 'gamma' must be greater than 0, got 0"),
        ("gamma", "nan", "setting 'gamma' must be a finite number, got 'nan'"),
        ("gamma", "", "setting 'gamma' must be a finite number, got ''"),
        ("gamma", "a" * 500, f"must be a finite number, got '{'a' * 80}...'"),
        ("n_EI_candidates", "0", "setting 'n_EI_candidates' must be at least 1, got 0"),
        ("n_ei_candidates", "2.5", "must be a whole number, got 2.5"),
        ("estimator", "gp", "setting 'estimator' must be GP or RF, got 'gp'"),
        ("strategy", "bipop", "must be none, None or ipop, got 'bipop'"),
        ("temperature", "0", "must be greater than 0 or None, got 0"),
        ("temperature", "warm", "must be a finite number or None, got 'warm'"),
        ("verbose", "1", "must be true or false, got 1"),
        ("threshold", "0.6", "must be at most 0.5, got 0.6"),
        ("seed", "-1", "setting 'seed' must be at least 0, got -1"),
        ("gama", "1", "algorithm 'sample' has no setting 'gama'; did you mean 'gamma'?"),
        ("GAMMA", "1", "algorithm 'sample' has no setting 'GAMMA'; did you mean 'gamma'?"),
        ("xyz", "1", "has no setting 'xyz'; it has gamma, n_ei_candidates, n_EI_candidates, est"),
    ],
)
def test_a_wrong_setting_is_named(name: str, text: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        read((name, text))
    assert message in str(caught.value)
    assert len(caught.value.violations) == 1


def test_a_setting_is_given_once_in_either_spelling() -> None:
    with pytest.raises(Invalid, match="setting 'gamma' is given twice; keep one"):
        read(("gamma", "0.5"), ("gamma", "0.5"))
    with pytest.raises(
        Invalid, match="setting 'seed' is given twice, as 'random_state' before; keep one"
    ):
        read(("random_state", "1"), ("seed", "1"))


def test_a_required_setting_is_missed() -> None:
    with pytest.raises(
        Invalid, match="setting 'directory' is required by algorithm 'sample': where to write"
    ):
        read(directory=False)


def test_ignored_settings_are_accepted() -> None:
    assert read(("s_max", "whatever"), ("s_max", "again")) == Sample(
        directory="/data", given=frozenset({"directory"})
    )


def test_all_violations_come_with_their_paths() -> None:
    with pytest.raises(Invalid) as caught:
        read(("gamma", "2"), ("nothing", "x"), ("verbose", "maybe"), directory=False)
    assert [violation.location for violation in caught.value.violations] == [
        ("settings", 0, "value"),
        ("settings", 1, "name"),
        ("settings", 2, "value"),
        ("settings", "directory"),
    ]


def test_ranges_are_described() -> None:
    assert {s.name: s.range for s in describe(Sample)} == {
        "gamma": "(0, 1)",
        "n_ei_candidates": ">= 1",
        "estimator": "GP or RF",
        "strategy": "none, None or ipop",
        "temperature": "> 0 or None",
        "verbose": "",
        "directory": "",
        "threshold": "[0, 0.5]",
    }


def test_register_wants_a_frozen_dataclass() -> None:
    with pytest.raises(TypeError, match="must be a frozen dataclass below @register"):
        register("x")(type("Loose", (), {}))


def test_the_registry_names_what_there_is() -> None:
    with pytest.raises(Unavailable, match=r"algorithm 'sobl' is not installed.*did you mean 'sobo"):
        algorithms(["sobl"])
    with pytest.raises(Unavailable, match="'grid' is not served here; there is random"):
        algorithms(["random"]).load("grid")
    assert tuple(Registry("suggestion.nothing", "thing")) == ()


def test_every_algorithm_is_called_by_its_entry_point() -> None:
    registry = algorithms()
    assert {"random", "grid", "sobol"} <= set(registry)
    for name in registry:
        assert registry.load(name).name == name


@pytest.mark.parametrize("registry", [algorithms(), rules()], ids=["algorithms", "rules"])
def test_every_number_has_bounds(registry: Registry[Any]) -> None:
    for name in registry:
        for declared in (*settings_of(registry.load(name)), *describe(registry.load(name))):
            if declared.kind in (int, float):
                bounds = ((declared.at_least, declared.above), (declared.at_most, declared.below))
                assert all(any(b is not None for b in pair) for pair in bounds), (name, declared)
                with pytest.raises(ValueError, match="must be"):
                    declared.parse("1e90")


def test_bounds_of_whole_numbers_are_exact() -> None:
    assert SEED.parse(str(2**63 - 1)) == 2**63 - 1
    with pytest.raises(ValueError, match=f"must be at most {2**63 - 1}"):
        SEED.parse(str(2**63))
