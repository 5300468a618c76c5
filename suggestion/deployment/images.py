"""The container images: what each serves, installs and needs.

Each entry of `IMAGES` defines one image: its Dockerfile, its place in Katib's configuration, its
bill of materials and its tests are generated from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Kind(Enum):
    """The service of an image."""

    SUGGESTION = "suggestion"
    EARLY_STOPPING = "early stopping"
    DBMANAGER = "dbmanager"

    @property
    def port(self) -> int:
        """The port that controllers expect."""
        return 6788 if self is Kind.EARLY_STOPPING else 6789

    @property
    def health_name(self) -> str:
        """The service name in health checks."""
        return _HEALTH_NAMES[self]


_HEALTH_NAMES: Final = {
    Kind.SUGGESTION: "manager.v1beta1.Suggestion",
    Kind.EARLY_STOPPING: "api.v1.beta1.EarlyStopping",
    Kind.DBMANAGER: "api.v1.beta1.DBManager",
}


@dataclass(frozen=True, slots=True)
class Image:
    """One image.

    Attributes:
        name: Name without registry and tag; also the folder of its Dockerfile.
        serves: Names of what it serves; everything that is installed if empty.
        extras: Extras of pyproject.toml that it installs.
        memory: MiB that an experiment of 1,000 trials needs; Katib's default is 100.
        kind: Which service it runs.
        registered: Whether it is registered in Katib; at most one image of an algorithm is.
        writes: Folder that must be writable, if any.
        environment: Variables in addition to those of all images.
    """

    name: str
    serves: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    memory: int = 100
    kind: Kind = Kind.SUGGESTION
    registered: bool = True
    writes: str = ""
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def arguments(self) -> tuple[str, ...]:
        """Arguments of ``suggest serve``; an algorithm may have the name of a rule."""
        if self.kind is Kind.EARLY_STOPPING:
            return tuple(f"earlystopping/{name}" for name in self.serves)
        return self.serves

    @property
    def requirements(self) -> tuple[str, ...]:
        """Lock files below ``requirements/`` that it installs."""
        return tuple(f"{extra}.txt" for extra in self.extras or ("base",))

    @property
    def title(self) -> str:
        """The text of the image's title label."""
        what = ", ".join(self.serves) or "all algorithms and early-stopping rules"
        noun = "server" if self.kind is Kind.DBMANAGER or not self.serves else self.kind.value
        return f"Suggestion Servers: {what}" + (f" ({noun})" if noun != "server" else "")


_RULES: Final = ("asha", "hyperband", "medianstop", "percentilestop")
_DATABASE: Final = (("SUGGEST_DATABASE", "sqlite:////data/observations.db"),)

IMAGES: Final = (
    Image("suggestion-random", ("random",)),
    Image("suggestion-grid", ("grid",)),
    Image("suggestion-sobol", ("sobol",)),
    Image("suggestion-nsga2", ("nsga2",)),
    Image("suggestion-tpe", ("tpe", "multivariate-tpe")),
    Image("suggestion-anneal", ("anneal",), ("anneal",), memory=256),
    Image("suggestion-cmaes", ("cmaes",), ("cmaes",)),
    Image("suggestion-bayesopt", ("bayesianoptimization",)),
    Image(
        "suggestion-bayesopt-forests",
        ("bayesianoptimization",),
        ("bayesianoptimization",),
        memory=512,
        registered=False,
    ),
    Image("suggestion-hyperband", ("hyperband", "asha")),
    Image("suggestion-pbt", ("pbt",)),
    Image("suggestion-nas", ("enas", "darts")),
    Image("earlystopping-medianstop", _RULES, ("kubernetes",), kind=Kind.EARLY_STOPPING),
    Image(
        "dbmanager",
        ("dbmanager",),
        ("postgresql", "mysql"),
        kind=Kind.DBMANAGER,
        registered=False,
        writes="/data",
        environment=_DATABASE,
    ),
    Image(
        "suggestion-all",
        (),
        ("bayesianoptimization", "anneal", "cmaes", "experiments", "kubernetes"),
        memory=512,
        registered=False,
    ),
)


def named(name: str) -> Image:
    """Return the image called `name`.

    Raises:
        LookupError: There is none; the text is for the user.
    """
    for image in IMAGES:
        if image.name == name:
            return image
    raise LookupError(f"no image {name!r}; there is {', '.join(i.name for i in IMAGES)}")
