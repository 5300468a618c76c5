"""Aliases in YAML files: a few bytes must not become gigabytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from suggestion.client import expansion, manifest

LAUGHS = 'a0: &a0 ["lol"]\n' + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 10)
)


@pytest.mark.parametrize("text", [LAUGHS, MERGES])
def test_a_billion_laughs(tmp_path: Path, text: str) -> None:
    path = tmp_path / "e.yaml"
    path.write_text(text)
    assert len(text) < 900
    with pytest.raises(manifest.ManifestError, match="aliases must not make a document longer"):
        manifest.load(path, {})


def test_aliases_of_sensible_size(tmp_path: Path) -> None:
    path = tmp_path / "e.yaml"
    path.write_text("a: &a {x: [1, 2]}\nb: *a\nc: {<<: *a, y: 3}\n")
    read = manifest.load(path, {}).document
    assert read["b"] == {"x": ["1", "2"]}
    assert read["c"] == {"x": ["1", "2"], "y": "3"}


def test_a_field_takes_the_place_of_a_merged_one(tmp_path: Path) -> None:
    path = tmp_path / "e.yaml"
    path.write_text("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  x: '3'\nc: {<<: [*a, {y: 4, z: 5}]}\n")
    read = manifest.load(path, {})
    assert read.document["b"] == {"x": "3", "y": "2"}
    assert read.document["c"] == {"x": "1", "y": "2", "z": "5"}
    assert (read.line(("b", "x")), read.type_of(("b", "x"))) == (4, "text")


@pytest.mark.parametrize("text", ["b: {<<: {x: 1, x: 2}}", "a: &a {x: 1}\nb: {<<: *a, x: 1, x: 2}"])
def test_a_key_that_is_used_twice_beside_a_merge(tmp_path: Path, text: str) -> None:
    path = tmp_path / "e.yaml"
    path.write_text(text)
    with pytest.raises(manifest.ManifestError, match="the key 'x' is used twice"):
        manifest.load(path, {})


def test_a_long_file_without_aliases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expansion, "LARGEST", 100)
    path = tmp_path / "e.yaml"
    path.write_text("a: [" + ", ".join(["b"] * 500) + "]\n")
    assert len(manifest.load(path, {}).document["a"]) == 500
