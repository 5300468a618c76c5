"""Pins every dependency with its hashes: requirements/<extra>.txt for all supported Pythons.

``base`` is what every server needs, each extra adds its own, ``build`` builds the distribution,
``dev`` is everything together with the tools, ``sbom`` and ``docs`` the tools that are kept apart,
``uv`` what installs all of them, and ``integrations`` the large libraries that
`suggestion.integrations` adapts.
The files name no package index.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


#: Extras that are locked in ``integrations.txt`` alone, or, where they need torch, nowhere.
LARGE = {"keras", "lightgbm", "lightning", "mlflow", "ray", "transformers", "xgboost"}


def compile_lock(name: str, extras: list[str], inputs: list[str]) -> None:
    """Writes ``requirements/<name>.txt``."""
    _compile(name, extras, ["pyproject.toml", *inputs])


def compile_build(requires: list[str]) -> None:
    """Writes ``requirements/build.txt`` from ``build-system.requires``."""
    with tempfile.NamedTemporaryFile("w", suffix=".in") as file:
        file.write("\n".join(requires))
        file.flush()
        _compile("build", [], [file.name])


def _compile(name: str, extras: list[str], inputs: list[str]) -> None:
    command = ["uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
    command += ["--generate-hashes", "--no-emit-index-url", "--no-header", "--no-annotate"]
    command += [word for extra in extras for word in ("--extra", extra)]
    # Only one version of each package may be installed with any combination of extras.
    if name != "dev":
        command += ["--constraint", "requirements/dev.txt"]
    output = f"requirements/{name}.txt"
    command += ["--output-file", output, *inputs]
    subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=True)


def main() -> None:
    """Writes all of them; ``--upgrade`` is what deleting dev.txt first does."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = declared["project"]["optional-dependencies"]
    # What benchmarks compare with is large and needed by no test.
    tested = [
        extra
        for extra, packages in extras.items()
        if packages and extra not in LARGE and not extra.startswith("benchmarks")
    ]
    compile_lock("dev", tested, ["requirements/dev.in"])
    compile_lock("base", [], [])
    compile_build(declared["build-system"]["requires"])
    for apart in ("sbom", "docs", "uv"):
        _compile(apart, [], [f"requirements/{apart}.in"])
    compile_lock("integrations", ["experiments"], ["requirements/integrations.in"])
    for extra in tested:
        compile_lock(extra, [extra], [])


if __name__ == "__main__":
    main()
