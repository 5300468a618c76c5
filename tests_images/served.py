"""Which images there are to test: those of the table whose algorithms are installed here."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from suggestion.deployment.images import IMAGES, Image, Kind
from suggestion.deployment.registration import EARLY_STOPPING
from suggestion.engine.algorithm import ALGORITHMS, Registry

ROOT: Final = Path(__file__).resolve().parent.parent
ALGORITHM_NAMES: Final = Registry[Any](ALGORITHMS, "algorithm").names
RULE_NAMES: Final = Registry[Any](EARLY_STOPPING, "early-stopping rule").names


def _available(image: Image) -> bool:
    if not all((ROOT / "requirements" / file).exists() for file in image.requirements):
        return False
    if image.kind is Kind.DBMANAGER:
        return find_spec("dbmanager") is not None
    known = RULE_NAMES if image.kind is Kind.EARLY_STOPPING else ALGORITHM_NAMES
    return set(image.serves) <= set(known)


AVAILABLE: Final = tuple(image for image in IMAGES if _available(image))


def algorithms_of(image: Image) -> tuple[str, ...]:
    """What experiments can ask of it."""
    if image.kind is not Kind.SUGGESTION:
        return ()
    return image.serves or ALGORITHM_NAMES


#: Every algorithm in every image that serves it.
SERVED: Final = tuple((image, name) for image in AVAILABLE for name in algorithms_of(image))
