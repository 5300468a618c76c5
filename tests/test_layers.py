"""Who may import whom."""

from __future__ import annotations

import ast
import re
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


def imports_of(file: Path) -> set[str]:
    """The full names of what a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def files(folder: Path) -> list[Path]:
    found = [f for f in sorted(folder.rglob("*.py")) if not f.name.startswith("api_pb2")]
    assert found, folder
    return found


MODULES = [
    (layer, file)
    for layer in LAYERS
    for file in files(ROOT / LINKS.get(layer, f"suggestion/{layer}"))
]
EVERY = pytest.mark.parametrize(
    ("layer", "file"), MODULES, ids=[str(file.relative_to(ROOT)) for _, file in MODULES]
)


def test_every_package_has_its_layer() -> None:
    assert {p.name for p in PACKAGE.iterdir() if p.is_dir() and p.name[0] != "_"} == set(LAYERS)
    for name, folder in LINKS.items():
        assert (PACKAGE / name).resolve() == ROOT / folder


@EVERY
def test_imports_go_down(layer: str, file: Path) -> None:
    allowed = set(LAYERS[: LAYERS.index(layer) + 1])
    if layer == "conformance":  # a black box: it knows the contract, not the servers
        allowed = {"conformance"}
    for name in imports_of(file):
        root, _, rest = name.partition(".")
        assert root not in TOP, f"{file.name} imports {name}"
        if root != "suggestion" or not rest:
            continue
        other = rest.split(".")[0]
        if layer == "conformance" and name.startswith("suggestion.api.v1beta1.api_pb2"):
            continue
        if (layer, other) not in EXCEPTIONS:
            assert other in allowed, f"{file.relative_to(ROOT)} imports {name}"


@EVERY
def test_an_algorithm_imports_only_its_own_folder(layer: str, file: Path) -> None:
    if layer not in ("algorithms", "earlystopping"):
        return
    folder = ROOT / LINKS[layer]
    parts = file.relative_to(folder).parts
    for name in imports_of(file):
        if len(parts) > 1 and name.startswith("suggestion.algorithms."):
            assert name.startswith(f"suggestion.algorithms.{parts[0]}"), f"{file} imports {name}"


@EVERY
def test_protobuf_and_yaml_stop_at_the_edge(layer: str, file: Path) -> None:
    inner = LAYERS[: LAYERS.index("api")]
    for name in imports_of(file):
        if layer in inner:
            assert name.split(".")[0] not in {"google", "grpc", "yaml"}, f"{file} imports {name}"


#: What only paths of an API's messages say.
API_PATH = re.compile(
    r"\bspec\.|parameter_specs|feasible_space|algorithm_settings|objective_metric_name"
    r"|parameter_type|algorithm_name|_request_number"
)


@EVERY
def test_no_path_of_an_api_within(layer: str, file: Path) -> None:
    """A rule is broken at a location, which each API renders in its own way."""
    if layer not in LAYERS[: LAYERS.index("earlystopping") + 1]:
        return
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert not API_PATH.search(node.value), f"{file.relative_to(ROOT)}:{node.lineno}"


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
