"""The language of conditions and constraints: what it means, and what it refuses."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suggestion.problem.expressions import MOST_TERMS, parse
from suggestion.problem.terms import Columns, Range
from suggestion.problem.tokens import (
    LONGEST_STATEMENT,
    LONGEST_TEXT,
    MOST_STATEMENTS,
    Mistake,
    Mistakes,
)

NAMES = {
    "width": None,
    "depth": None,
    "num-layers": None,
    "lambda": None,
    "optimizer": ("adam", "sgd"),
}
POINT = {"width": 4.0, "depth": 2.0, "num-layers": 3.0, "lambda": -1.0, "optimizer": 1.0}


def columns(**values: float) -> Columns:
    return {name: np.array([value]) for name, value in {**POINT, **values}.items()}


def holds(text: str) -> bool:
    (expression,) = parse(text, NAMES)
    return bool(expression.holds(columns())[0])


def mistakes(text: str) -> list[tuple[int, str]]:
    with pytest.raises(Mistakes) as error:
        parse(text, NAMES)
    return [(mistake.position, mistake.rule) for mistake in error.value.found]


@pytest.mark.parametrize(
    "text",
    [
        "width * depth <= 8",
        "width / depth == 2 and width ** depth == 16 and width - depth == 2",
        "-width + +depth == -2",
        "1 < depth < width <= 4",
        "`num-layers` in (1, 3, -5) and `lambda` not in (1, 2)",
        "depth in (2)",
        "lambda < 0",
        "optimizer == 'sgd' and optimizer != \"adam\"",
        "'sgd' == optimizer",
        "optimizer in ('sgd', 'adam') and not optimizer in ('adam')",
        "width < depth or (width > depth and not depth > width)",
        "min(width, depth, 3) == 2 and max(width, depth) == 4",
        "abs(`lambda`) == 1 and exp(0) == 1 and log(1) == 0 and sqrt(width) == 2",
        "9**9**9 > width",
        "-(9**9**9) < width",
        "1e308 * 10 > 1e308",
        "width / 0 > 1e308",
        "width\n  >\tdepth",
        "not (width > depth and depth > 3)",
        "2 ** 3 ** 2 == 512 and -2 ** 2 == -4",
        ".5 < 1. and 1e-3 < 1E+3",
    ],
)
def test_what_holds(text: str) -> None:
    assert holds(text)


@pytest.mark.parametrize(
    "text",
    [
        "0 / 0 == 0 / 0",
        "log(`lambda`) < 1",
        "sqrt(`lambda`) != 1",
        "0 / 0 in (1, 2)",
        "1 < 0/0 < 2",
    ],
)
def test_a_comparison_with_an_undefined_number_is_false(text: str) -> None:
    assert not holds(text)
    assert holds(f"not ({text})")


def test_statements_are_separated_by_semicolons_outside_of_texts() -> None:
    names = {"a;b": ("x;y", "z"), "c": None}
    found = parse("; `a;b` == 'x;y';;c<1 ;", names)
    assert [(e.text, e.names) for e in found] == [("`a;b` == 'x;y'", ("a;b",)), ("c<1", ("c",))]


def test_all_points_at_once() -> None:
    (expression,) = parse("width * depth <= 8; ", NAMES)
    found = expression.holds({"width": np.array([1.0, 9.0]), "depth": np.array([8.0, 1.0])})
    assert found.tolist() == [True, False]
    (constant,) = parse("1 < 2", NAMES)
    assert constant.holds({"width": np.zeros(3)}).tolist() == [True] * 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("widht < 3", (0, "nothing is called 'widht'; did you mean 'width'? there is 'width', ")),
        ("1 < Depth", (4, "nothing is called 'Depth'; did you mean 'depth'?")),
        ("zzz < 3", (0, "nothing is called 'zzz'; there is 'width', 'depth', '`num-layers`'")),
        ("num-1 < 3", (0, "nothing is called 'num'; did you mean '`num-layers`'?")),
        ("width & depth", (6, "'&' is no operator; did you mean 'and'?")),
        ("width = 3", (6, "'=' is no operator; did you mean '=='?")),
        ("width $ 3", (6, "'$' has no meaning here")),
        ("width <", (6, "ends after '<'")),
        ("width < 3 and", (10, "ends after 'and'")),
        ("(width < 3", (0, "has a '(' without its ')'")),
        ("width < 3)", (9, "has a ')' without its '('")),
        ("width depth < 3", (6, "cannot be read at 'depth'")),
        ("width < 3 if depth", (10, "has no place for 'if'")),
        ("width", (0, "must be a comparison, or several joined by and, or, not")),
        ("width and depth < 3", (0, "must be a comparison")),
        ("width < (depth < 3)", (9, "a comparison is no number")),
        ("width < 'x'", (8, "a text is no number, got 'x'")),
        ("optimizer < 3", (0, "parameter 'optimizer' is categorical")),
        ("optimizer == 3", (13, "parameter 'optimizer' is categorical: compare it with a quoted")),
        (
            "optimizer == 'sdg'",
            (13, "parameter 'optimizer' has no value 'sdg'; did you mean 'sgd'?"),
        ),
        ("optimizer == optimizer", (13, "parameter 'optimizer' is categorical: compare it with")),
        ("width in ()", (9, "a list after 'in' must not be empty")),
        ("width == 'x", (9, "a quotation must end")),
        ("eval(width) < 3", (0, "there is no function 'eval'; there is 'abs', ")),
        ("sqr(width) < 3", (0, "there is no function 'sqr'; did you mean 'sqrt'?")),
        ("min(width) < 3", (0, "min takes two numbers or more, got 1")),
        ("log(width, 2) < 3", (0, "log takes one number, got 2")),
        ("width < 1e999", (8, "must be a finite number, got 1e999")),
        ("width < 1_000", (8, "is no number: '1_000'")),
        ("width < 0x10", (8, "is no number: '0x10'")),
        ("width < 1.2.3", (8, "is no number: '1.2.3'")),
        ("width.real < 3", (5, "is no number: '.real'")),
        ("(width, depth) < 3", (0, "must be a number")),
        ("width[0] < 3", (5, "'[' has no meaning here")),
        ("width // 2 < 3", (7, "cannot be read at '/'")),
        ("width is depth", (6, "cannot be read at 'is'")),
    ],
)
def test_mistakes_are_named_with_their_place(text: str, expected: tuple[int, str]) -> None:
    ((position, rule),) = mistakes(text)
    assert (position, rule[: len(expected[1])]) == expected


def test_every_unknown_name_and_every_statement_is_named_at_once() -> None:
    found = mistakes("a < b; width <; c < 3 and optimizer < 1")
    assert [position for position, _ in found] == [0, 4, 13, 16, 26]


@pytest.mark.parametrize(
    "text",
    [
        "(" * 60 + "width" + ")" * 60 + " < 3",
        "-" * 900 + "width < 3",
        "not " * 240 + "width < 3",
        "**".join(["2"] * 300) + " < 3",
        "width < 3 and " * 80 + "width < 3",
        " + ".join(["width"] * (MOST_TERMS // 2 + 10)) + " < 3",
        "width < 3" + " " * LONGEST_STATEMENT + "and depth < 3",
        "width < 3;" * (MOST_STATEMENTS + 1),
        "width < " + "9" * 400,
        " " * (LONGEST_TEXT + 1),
        "abs(" * 49 + "width" + ")" * 49 + " < 3" + " and 1 < 2" * 200,
    ],
    ids=range(11),
)
def test_limits(text: str) -> None:
    assert mistakes(text)


# ------------------------------------------------------------------ properties

NUMBERS = st.one_of(st.integers(-4, 4).map(float), st.floats(-1e3, 1e3), st.just(0.0))
LEAVES = st.one_of(
    st.sampled_from(["a", "b", "`c d`"]),
    st.integers(0, 9).map(str),
    st.floats(0, 1e6).map(lambda x: f"{x:.6g}"),
)


def _operations(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "**"]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        st.tuples(st.sampled_from(["abs", "log", "exp", "sqrt"]), inner).map(
            lambda t: f"{t[0]}({t[1]})"
        ),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(
            lambda t: f"{t[0]}({t[1]}, {t[2]})"
        ),
        inner.map(lambda t: f"(-{t})"),
    )


TERMS = st.recursive(LEAVES, _operations, max_leaves=6)
COMPARISONS = st.tuples(TERMS, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), TERMS).map(
    lambda t: f"{t[0]} {t[1]} {t[2]}"
)
CLAIMS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        inner.map(lambda t: f"not ({t})"),
    ),
    max_leaves=4,
)
VALUES = st.fixed_dictionaries({"a": NUMBERS, "b": NUMBERS, "c d": NUMBERS})


def _python(text: str, values: Mapping[str, float]) -> bool:
    """What Python makes of an expression of generated text, with IEEE 754 numbers."""
    with np.errstate(all="ignore"):
        functions = {"abs": abs, "log": np.log, "exp": np.exp, "sqrt": np.sqrt}
        pairs = {"min": np.minimum, "max": np.maximum}
        names = {"a": values["a"], "b": values["b"], "c_d": values["c d"]}
        doubles = {name: np.float64(value) for name, value in names.items()}
        source = _DOUBLES.sub(r"f(\1)", text.replace("`c d`", "c_d"))
        scope = {**functions, **pairs, **doubles, "f": np.float64}
        return bool(eval(source, {"__builtins__": {}}, scope))


_DOUBLES = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?(?:e[-+]?\d+)?)")


@given(text=CLAIMS, low=VALUES, high=VALUES, share=st.floats(0, 1))
def test_points_boxes_and_distances_agree_with_python(
    text: str, low: dict[str, float], high: dict[str, float], share: float
) -> None:
    (expression,) = parse(text, dict.fromkeys(low))
    ranges, points = {}, {}
    for name, one in low.items():
        ends = sorted([one, high[name]])
        inside = min(max(ends[0] + share * (ends[1] - ends[0]), ends[0]), ends[1])
        ranges[name] = Range(np.array(ends[:1]), np.array(ends[1:]), np.array([False]))
        points[name] = np.array([*ends, inside])
    found = expression.holds(points)
    if "!=" not in text:  # where a number is not defined, Python's "!=" is true
        rows = [{name: float(points[name][k]) for name in points} for k in range(3)]
        assert found.tolist() == [_python(text, row) for row in rows]
    surely, never = expression.truth(ranges)
    assert found.all() or not surely[0]
    assert not found.any() or not never[0]
    distances = expression.distance(points)
    assert (distances >= 0).all()
    assert ((distances == 0) == found).all()


def test_distances_are_relative_to_bounds() -> None:
    def distance(text: str) -> float:
        (expression,) = parse(text, NAMES)
        return float(expression.distance(columns(width=9e9, depth=0.5))[0])

    assert distance("width <= 8e9") == pytest.approx(1 / 8)
    assert distance("8e9 >= width") == pytest.approx(1 / 8)
    assert distance("width <= 8e9 and depth > 1") == pytest.approx(1 / 8 + 1 / 2)
    assert distance("width <= 8e9 or depth > 1") == pytest.approx(1 / 8)
    assert distance("not width > 8e9") == pytest.approx(1 / 8)
    assert distance("`lambda` >= 0") == 1
    assert distance("log(`lambda`) >= 0") == math.inf
    assert distance("1 <= width <= 8e9") == pytest.approx(1 / 8)


WORDS = ["width", "depth", "`num-layers`", "optimizer", "'sgd'", '"adam"', "1", "0.5", "1e300", "9"]
WORDS += ["+", "-", "*", "/", "**", "(", ")", "<", "<=", "==", "!=", "in", "not", "and", "or", "if"]
WORDS += [",", ";", "min(", "abs(", "log(", "`", "'", "\\", "\n", "é", "一", "\x00"]
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(WORDS),
        max_size=40,
    ).map(" ".join),
)


@given(text=TEXTS)
def test_any_text_is_read_or_refused(text: str) -> None:
    found: list[Mistake] = []
    try:
        made = parse(text, NAMES)
    except Mistakes as error:
        made, found = (), [*error.found]
        found[0]  # at least one
    assert all(0 <= mistake.position <= len(text) and mistake.rule for mistake in found)
    assert all(expression.holds(columns()).shape == (1,) for expression in made)


def test_an_unknown_name_is_compared_with_few_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting can hold thousands of unknown names, and a space thousands of parameters."""
    compared: list[int] = []
    close = difflib.get_close_matches

    def counted(word: str, possibilities: Sequence[str], **options: Any) -> list[str]:
        compared.append(len(possibilities))
        return close(word, possibilities, **options)

    monkeypatch.setattr(difflib, "get_close_matches", counted)
    names = {f"{letter}{number}": None for letter in "vwx" for number in range(1000)}
    with pytest.raises(Mistakes, match=r"nothing is called 'w_7'; did you mean 'w"):
        parse("w_7 < 1", names)
    assert compared == [200]
