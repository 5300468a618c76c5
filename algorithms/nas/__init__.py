"""Search for architectures of neural networks: ``enas`` and ``darts``."""

from suggestion.algorithms.nas.darts import Darts
from suggestion.algorithms.nas.enas import Enas

__all__ = ["Darts", "Enas"]
