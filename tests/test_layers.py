"""Who may import whom: what keeps the house easy to change."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = {
    "suggestion",
    "algorithms",
    "earlystopping",
    "dbmanager",
    "experiments",
    "conformance_tests",
}
FOR_ALGORITHMS = {"algorithm", "deadline", "errors", "sampling", "settings", "space", "study"}
# The generated stubs themselves, the servers' edge, and clients.
MAY_SEE_PROTOBUF = {"wire.py", "server.py", "servicer.py", "cli.py", "asking.py"}


def imports_of(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def files(folder: str) -> list[Path]:
    found = [f for f in sorted((ROOT / folder).rglob("*.py")) if "api" not in f.parts]
    assert found
    return found


@pytest.mark.parametrize("file", files("algorithms"), ids=str)
def test_an_algorithm_imports_only_the_core_and_its_own_folder(file: Path) -> None:
    own = f"algorithms.{file.relative_to(ROOT / 'algorithms').parts[0]}"
    for name in imports_of(file):
        package, _, rest = name.partition(".")
        if package == "suggestion":
            assert rest.split(".")[0] in FOR_ALGORITHMS, f"{file.name} imports {name}"
        elif package in OURS:
            assert name.startswith(own), f"{file.name} imports {name}"
        assert package not in {"google", "grpc"}, f"{file.name} imports {name}"


@pytest.mark.parametrize("file", files("suggestion"), ids=str)
def test_the_core_imports_no_algorithm_and_protobuf_only_at_its_edge(file: Path) -> None:
    for name in imports_of(file):
        package = name.partition(".")[0]
        assert package not in OURS - {"suggestion"}, f"{file.name} imports {name}"
        if package in {"google", "grpc"} or name.startswith("suggestion.api"):
            assert file.name in MAY_SEE_PROTOBUF, f"{file.name} imports {name}"


@pytest.mark.parametrize("file", files("earlystopping") + files("dbmanager"), ids=str)
def test_rules_and_storage_are_free_of_protobuf(file: Path) -> None:
    package = file.relative_to(ROOT).parts[0]
    for name in imports_of(file):
        # Trial statuses may be kept in the observation log's database.
        allowed = {"suggestion", package} | ({"dbmanager"} if file.name == "statuses.py" else set())
        assert name.partition(".")[0] not in OURS - allowed, f"{file.name} imports {name}"
        if name.startswith(("google", "grpc", "suggestion.api")):
            assert file.name in {"wire.py", "servicer.py", "reader.py"}, f"{file} imports {name}"


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


@pytest.mark.parametrize("folder", [*sorted(OURS), "benchmarks", "deploy", "scripts"])
def test_what_is_imported_of_ours_is_there(folder: str) -> None:
    """Also where nothing else looks, as in benchmarks, which neither tests nor mypy import."""
    for file in files(folder):
        for name in imports_of(file):
            if name.partition(".")[0] in OURS | {"benchmarks", "deploy", "tests"}:
                assert is_there(name), f"{file.relative_to(ROOT)} imports {name}"
