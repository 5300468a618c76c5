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


def test_a_long_file_without_aliases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expansion, "LARGEST", 100)
    path = tmp_path / "e.yaml"
    path.write_text("a: [" + ", ".join(["b"] * 500) + "]\n")
    assert len(manifest.load(path, {}).document["a"]) == 500
