"""What the images serve, by name."""

from __future__ import annotations

from typing import Any, Final

from suggestion.deployment.images import IMAGES, Image, Kind
from suggestion.deployment.registration import EARLY_STOPPING
from suggestion.engine.algorithm import ALGORITHMS, Registry

ALGORITHM_NAMES: Final = Registry[Any](ALGORITHMS, "algorithm").names
RULE_NAMES: Final = Registry[Any](EARLY_STOPPING, "early-stopping rule").names


def algorithms_of(image: Image) -> tuple[str, ...]:
    """What experiments can ask of it."""
    if image.kind is not Kind.SUGGESTION:
        return ()
    return image.serves or ALGORITHM_NAMES


#: Every algorithm in every image that serves it.
SERVED: Final = tuple((image, name) for image in IMAGES for name in algorithms_of(image))
