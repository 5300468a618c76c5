"""Who may import whom."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "suggestion"

#: A package imports those before it, never those after it.
LAYERS = (
    "problem",
    "numerics",
    "engine",
    "algorithms",
    "earlystopping",
    "observations",
    "api",
    "server",
    "client",
    "conversion",
    "controller",
    "artifacts",
    "reporting",
    "runtimes",
    "collectors",
    "runner",
    "views",
    "tuning",
    "integrations",
    "deployment",
    "cli",
    "conformance",
)
#: Imports against the order that are still to be untangled; nothing is added here.
EXCEPTIONS: set[tuple[str, str]] = set()
#: Real folders at the top that the package links to.
LINKS = {"algorithms": "algorithms", "earlystopping": "earlystopping"} | {
    "conformance": "conformance_tests"
}
#: Folders of this repository that nothing which is installed may import.
TOP = {"algorithms", "earlystopping", "conformance_tests", "benchmarks", "tests", "scripts"}


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


@cache
def imports_of(file: Path) -> frozenset[str]:
    """The full names of what a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def files(folder: Path) -> list[Path]:
    found = [f for f in sorted(folder.rglob("*.py")) if not f.name.startswith("api_pb2")]
    assert found, folder
    return found


def folder_of(layer: str) -> Path:
    return ROOT / LINKS.get(layer, f"suggestion/{layer}")


def imports_in(layer: str) -> Iterator[tuple[Path, str]]:
    """Each file of a layer, relative to the root, with each name that it imports."""
    for file in files(folder_of(layer)):
        for name in sorted(imports_of(file)):
            yield file.relative_to(ROOT), name


def until(layer: str) -> tuple[str, ...]:
    """The layers up to this one, which is the last."""
    return LAYERS[: LAYERS.index(layer) + 1]


def test_every_package_has_its_layer() -> None:
    assert {p.name for p in PACKAGE.iterdir() if p.is_dir() and p.name[0] != "_"} == set(LAYERS)
    for name, folder in LINKS.items():
        assert (PACKAGE / name).resolve() == ROOT / folder


def may_import(layer: str, name: str) -> bool:
    root, _, rest = name.partition(".")
    if root in TOP:
        return False
    if root != "suggestion" or not rest:
        return True
    if layer == "conformance":  # a black box: it knows the contract, not the servers
        return name.startswith(("suggestion.conformance", "suggestion.api.v1beta1.api_pb2"))
    other = rest.split(".")[0]
    return other in until(layer) or (layer, other) in EXCEPTIONS


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_go_down(layer: str) -> None:
    wrong = [
        f"{file} imports {name}" for file, name in imports_in(layer) if not may_import(layer, name)
    ]
    assert not wrong


@pytest.mark.parametrize("layer", ["algorithms", "earlystopping"])
def test_an_algorithm_imports_only_its_own_folder(layer: str) -> None:
    wrong = []
    for file, name in imports_in(layer):
        own, *below = file.relative_to(LINKS[layer]).parts
        another = not name.startswith(f"suggestion.algorithms.{own}")
        if below and name.startswith("suggestion.algorithms.") and another:
            wrong.append(f"{file} imports {name}")
    assert not wrong


@pytest.mark.parametrize("layer", LAYERS[: LAYERS.index("api")])
def test_protobuf_and_yaml_stop_at_the_edge(layer: str) -> None:
    wrong = [
        f"{file} imports {name}"
        for file, name in imports_in(layer)
        if name.split(".")[0] in {"google", "grpc", "yaml"}
    ]
    assert not wrong


#: What only paths of an API's messages say.
API_PATH = re.compile(
    r"\bspec\.|parameter_specs|feasible_space|algorithm_settings|objective_metric_name"
    r"|parameter_type|algorithm_name|_request_number"
)


@pytest.mark.parametrize("layer", until("earlystopping"))
def test_no_path_of_an_api_within(layer: str) -> None:
    """A rule is broken at a location, which each API renders in its own way."""
    wrong = [
        f"{file.relative_to(ROOT)}:{node.lineno}: {node.value!r}"
        for file in files(folder_of(layer))
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and API_PATH.search(node.value)
    ]
    assert not wrong


def test_the_folder_of_algorithms_is_not_on_the_path() -> None:
    import random  # noqa: PLC0415

    assert "algorithms" not in Path(random.__file__).parts


def is_there(name: str) -> bool:
    """Whether `name` is a module of ours, or in one (in a package: what its own file names)."""
    path = ROOT.joinpath(*name.split("."))
    if path.is_dir() or path.with_suffix(".py").exists():
        return True
    package = path.parent / "__init__.py"
    return path.parent.with_suffix(".py").exists() or (
        package.exists() and path.name in package.read_text()
    )


@pytest.mark.parametrize("folder", ["suggestion", "benchmarks", "scripts", "tests_images"])
def test_what_is_imported_of_ours_is_there(folder: str) -> None:
    """Also where nothing else looks, as in benchmarks, which neither tests nor mypy import."""
    for file in files(ROOT / folder):
        for name in imports_of(file):
            if name.partition(".")[0] in {"suggestion", "benchmarks", "tests", "tests_images"}:
                assert is_there(name), f"{file.relative_to(ROOT)} imports {name}"
