"""Filters mean here what they mean on a cluster."""

from __future__ import annotations

import pytest

from suggestion.client import filters
from suggestion.client.filters import (
    DEFAULT_FILTER,
    BadFilter,
    Found,
    can_match,
    compile_filter,
)


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        (r"([[:alpha:]]+): ([[:digit:].]+)", "loss: 0.5", [("loss", "0.5")]),
        (r"(\pL+)=(\d+)", "größe=3", [("größe", "3")]),
        (r"(?i)(loss)=(\d+)", "LOSS=3", [("LOSS", "3")]),
        (r"(?<name>\w+)=(?P<value>\d+)", "a=1 b=2", [("a", "1"), ("b", "2")]),
        (r"(?U)(\w+)=(\d+)", "ab=12", [("ab", "1")]),
        (r"(\w+)=(\d+)", "größe=3", [("e", "3")]),  # \w is ASCII
        (r"( *\w+ *)=( *\d+)", " loss = 3", [("loss", "3")]),
        (r"(?<!val )\b(loss): ([0-9.]+)(?=,|$)", "loss: 1, val loss: 2", [("loss", "1")]),
        (r"(\w)\1=(\d)()", "aa=1", [("a", "1")]),
        (r"(?P<n>\w)=(?P<n>\d)", "a=1", [("a", "1")]),
    ],
)
def test_what_a_filter_finds(text: str, line: str, found: list[tuple[str, str]]) -> None:
    assert [(name, value) for name, value, _ in compile_filter(text).find(line)] == found


def test_the_place_of_a_value_counts_letters() -> None:
    assert list(compile_filter(r"(\pL+)=(\d+)").find("ü=5")) == [Found("ü", "5", 2)]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("([)(x)", "must be a regular expression"),
        ("(a)b", "needs two groups"),
        ("(?:a)(b)", "needs two groups"),
        ("(a)(b)\ud800", "must be text that UTF-8 can hold"),
        ("(?<=(", "must be a regular expression"),
        (r"((a{1000}){1000}){1000}=(\d)", "at most 100000 parts"),
        (r"(?=a)(([ab]{1000,2000}){1000})=(\d)", "at most 100000 parts"),
        (r"(?=a)((\pL{300}\}{3}|b){400,})=(\d)", "at most 100000 parts"),
        (r"(?=a)(a{99999999999})=(\d)", "at most 100000 parts"),
    ],
)
def test_what_is_no_filter(text: str, rule: str) -> None:
    with pytest.raises(BadFilter, match=rule):
        compile_filter(text)


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        (DEFAULT_FILTER, ""),
        (r"(?<!val )(loss)=(\d)", "perl operator"),
        (r"(\w)\1=(\d)()", "invalid escape"),
        (r"(a){2000}(b)", "repetition"),
        (r"(?=a)(([ab]{1,1000}){0,1000})=(\d)", "perl operator"),
        (r"(a{4294967295})(b)", "repetition"),
        (r"(a{2,99999999999})(b)", "repetition"),
        (r"(?P<n>a)(?<n>b)", "duplicate capture group name: n"),
        (r"(?P<größe>a)(b)", "invalid named capture: größe"),
        (r"(\C+)=(\d)", r"invalid escape sequence: \C"),
        (r"(\Q(?P<n>\C\E)(?P<n>[(?P<n>[:alpha:]\]]+)(\\C)", ""),
        (r"(\{4294967295})([{4294967295}])", ""),
    ],
)
def test_what_a_cluster_says(text: str, refusal: str) -> None:
    said = compile_filter(text).refusal
    assert refusal in said
    assert bool(refusal) == bool(said)


def test_a_filter_outside_re2_has_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filters, "LIMIT_SECONDS", 0.01)
    made = compile_filter(r"(?=a)(a|a?)+=(\d)")
    for _ in range(100):
        assert list(made.find("a" * 1000 + "=b")) == []
    assert made.expired == filters._LIMIT_LINES


@pytest.mark.parametrize(
    ("text", "name", "possible"),
    [
        (DEFAULT_FILTER, "val/loss", False),
        (DEFAULT_FILTER, "val-loss", True),
        (DEFAULT_FILTER, "loss|x", True),
        (DEFAULT_FILTER, "größe", False),
        (r"([\\w|-]+)\\s*=(\\d+)", "Accuracy", False),  # backslashes written twice
        (r"([[:alpha:]]+): (\d+)", "loss", True),
        (r"([[:alpha:]]+): (\d+)", "loss1", False),
        (r"([]a-z]+): (\d+)", "loss", True),
        (r"([^]]+): (\d+)", "loss", True),
        (r"(([a-z]+)/([a-z]+))=(\d+)", "val/loss", True),
        (r"(?i)(loss)=(\d+)", "LOSS", True),
        (r"(\bloss\b)=(\d+)", "acc", True),  # not decided
        (r"( *loss *)=(\d+)", "loss", True),
    ],
)
def test_whether_a_filter_can_match_a_name(text: str, name: str, possible: bool) -> None:
    assert can_match(text, name) is possible
