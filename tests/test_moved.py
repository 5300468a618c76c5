"""Imports that plug-ins of the release before use: they work, and name the new place."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest

#: Old modules, each with the new one that its warning names first, and names that it had.
MOVED: dict[str, tuple[str, list[str]]] = {
    "suggestion.algorithm": (
        "suggestion.engine.algorithm",
        ["Algorithm", "register"],
    ),
    "suggestion.settings": ("suggestion.engine.settings", ["setting", "REQUIRED", "configure"]),
    "suggestion.space": (
        "suggestion.problem.space",
        ["SearchSpace", "Double", "Assignment", "Array", "Categorical", "Distribution"],
    ),
    "suggestion.study": ("suggestion.problem.study", ["Study", "Suggestion", "Observation"]),
    "suggestion.errors": ("suggestion.problem.errors", ["Violation", "Invalid", "quote"]),
    "suggestion.deadline": ("suggestion.problem.deadline", ["Deadline", "NEVER"]),
    "suggestion.sampling": (
        "suggestion.numerics.sampling",
        ["Untried", "sobol", "independent", "seed_of", "Permutation"],
    ),
    "suggestion.api.api_pb2": ("suggestion.api.v1beta1.api_pb2", ["Trial", "MINIMIZE"]),
    "suggestion.api.api_pb2_grpc": ("suggestion.api.v1beta1.api_pb2_grpc", ["SuggestionStub"]),
}


@pytest.mark.parametrize("old", MOVED)
def test_an_import_of_the_release_before_works_and_warns(
    old: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, names = MOVED[old]
    (tmp_path / "plugin_of_before.py").write_text(f"from {old} import {', '.join(names)}\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in (old, "plugin_of_before"):
        sys.modules.pop(name, None)
    with pytest.warns(DeprecationWarning, match=f"'{old}' is deprecated.*import '{new}'") as seen:
        plugin = importlib.import_module("plugin_of_before")
    assert Path(seen[0].filename).name == "plugin_of_before.py"
    named = re.findall(r"'(suggestion\.[\w.]+)'", str(seen[0].message))[1:]
    modules = [importlib.import_module(module) for module in named]
    for name in names:
        (found,) = {id(vars(module)[name]) for module in modules if name in vars(module)}
        assert id(getattr(plugin, name)) == found


@pytest.mark.parametrize(
    ("old", "name", "new", "renamed"),
    [
        ("suggestion.settings", "Given", "suggestion.engine.settings", "RawSetting"),
        ("suggestion.algorithm", "Reinterprets", "suggestion.engine.algorithm", "TransformsSpace"),
    ],
)
def test_a_name_that_changed_is_known_under_the_old_one(
    old: str, name: str, new: str, renamed: str
) -> None:
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match="is deprecated"):
        module = importlib.import_module(old)
    assert getattr(module, name) is getattr(importlib.import_module(new), renamed)
