"""``python -m benchmarks.regret.rivals.environments [NAME]...``: builds the rivals' environments.

Each rival has an environment of its own in build/rivals, because they want packages that exclude
each other. One that cannot be built is listed with its error. What was installed is stored in
``rivals.json`` beside this folder, so that the page about the results can name the versions.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

ROOT: Final = Path(__file__).resolve().parents[3]
FOLDER: Final = ROOT / "build" / "rivals"
STORED: Final = Path(__file__).resolve().parents[1] / "rivals.json"


@dataclass(frozen=True)
class Environment:
    """What is installed for a rival.

    Attributes:
        package: The distribution whose version is stored.
        module: The module of this folder that adapts it.
        requirements: What pip installs.
    """

    package: str
    module: str
    requirements: Sequence[str]


ENVIRONMENTS: Final[Mapping[str, Environment]] = {
    "optuna": Environment("optuna", "of_optuna", ("optuna>=5", "cmaes>=0.13", "scipy")),
    "optuna-gp": Environment("optuna", "of_optuna", ("optuna>=5", "scipy", "torch>=2.13")),
    "smac": Environment("smac", "of_smac", ("smac>=2.4",)),
    # An older GPy, which HEBO allows, does not compile with Python 3.11; a later pymoo lacks what
    # it imports, as a later jax does for Vizier.
    "hebo": Environment("HEBO", "of_hebo", ("HEBO", "GPy>=1.13", "numpy<2", "pymoo<0.6")),
    "ax": Environment("ax-platform", "of_ax", ("ax-platform>=1.3",)),
    "vizier": Environment("google-vizier", "of_vizier", ("google-vizier[jax]", "jax<0.5", "cvxpy")),
    "hyperopt": Environment("hyperopt", "of_hyperopt", ("hyperopt>=0.3", "setuptools<81")),
    "skopt": Environment("scikit-optimize", "of_skopt", ("scikit-optimize>=0.10.2",)),
    "cmaes": Environment("cmaes", "of_cmaes", ("cmaes>=0.13", "scipy")),
    "syne-tune": Environment("syne-tune", "of_syne_tune", ("syne-tune>=0.16",)),
}

#: What every rival can be asked for, and the environment that has it.
ENGINES: Final[Mapping[str, str]] = {
    "optuna:default": "optuna",
    "optuna:tpe-multivariate": "optuna",
    "optuna:tpe-univariate": "optuna",
    "optuna:cmaes": "optuna",
    "optuna:gp": "optuna-gp",
    "smac:hpo": "smac",
    "smac:blackbox": "smac",
    "hebo:hebo": "hebo",
    "ax:default": "ax",
    "vizier:gp": "vizier",
    "hyperopt:tpe": "hyperopt",
    "hyperopt:anneal": "hyperopt",
    "skopt:gp": "skopt",
    "cmaes:catcma": "cmaes",
    "syne-tune:cqr": "syne-tune",
    "syne-tune:bore": "syne-tune",
}


def python_of(name: str, folder: Path = FOLDER) -> Path:
    """Return the Python of an environment, whether it is there or not."""
    return folder / name / "bin" / "python"


def build(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """Build an environment; return its package's version, or what went wrong."""
    python = str(python_of(name, folder))
    uv = str(python_of("uv", folder).with_name("uv"))
    for command in (
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder / name)],
        [uv, "pip", "install", "--quiet", "--python", python, *ENVIRONMENTS[name].requirements],
    ):
        done = _run(command)
        if done.returncode:
            return {"package": ENVIRONMENTS[name].package, "error": _last_line(done.stderr)}
    return checked(name, folder)


def checked(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """Return the version of an environment's package, or why its adapter cannot be imported."""
    environment = ENVIRONMENTS[name]
    entry: dict[str, Any] = {"package": environment.package}
    show = (
        f"import importlib.metadata as m, benchmarks.regret.rivals.{environment.module}; "
        f"print(m.version({environment.package!r}))"
    )
    done = _run([str(python_of(name, folder)), "-c", show])
    if done.returncode:
        return entry | {"error": _last_line(done.stderr)}
    return entry | {"version": done.stdout.split()[-1]}


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    except FileNotFoundError as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines[-1] if lines else "it says nothing")[:300]


def stored(path: Path = STORED) -> dict[str, dict[str, Any]]:
    """Return what came of building each environment, by its name."""
    found: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return found


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(ENVIRONMENTS)))
def main(names: Sequence[str]) -> None:
    """Build the environments NAMES, all unless given, in build/rivals."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not python_of("uv").exists():  # it shares the large packages between environments
        subprocess.run([sys.executable, "-m", "venv", str(FOLDER / "uv")], check=True)
        pip = [str(python_of("uv")), "-m", "pip", "install", "--quiet", "uv"]
        subprocess.run(pip, check=True)
    known = stored() if STORED.exists() else {}
    for name in names or ENVIRONMENTS:
        known[name] = build(name)
        click.echo(f"{name:12} {known[name].get('version') or known[name]['error']}")
        ordered = {each: known[each] for each in ENVIRONMENTS if each in known}
        STORED.write_text(json.dumps(ordered, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
