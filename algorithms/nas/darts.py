"""``darts``: the trial itself searches; it is told what to search in, and how."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import ClassVar, Final

from suggestion.engine.algorithm import Ability, register
from suggestion.engine.settings import setting
from suggestion.problem.architectures import SEARCHED_BY_TRIAL, ArchitectureSpace, Operation
from suggestion.problem.errors import Violation, quote
from suggestion.problem.lists import Categorical
from suggestion.problem.space import Assignment, SearchSpace
from suggestion.problem.study import Study

_SKIP: Final = "skip_connection"
_MOST: Final = 1_000_000_000


@register("darts")
@dataclass(frozen=True, kw_only=True)
class Darts:
    """Hand a search space to a trial that searches by gradients inside one network [Liu2019]_.

    Every suggestion is the same: the settings, the operations of a cell, and the number of cells.
    The usual experiment has one trial.

    .. [Liu2019] H. Liu, K. Simonyan, Y. Yang. DARTS: Differentiable architecture search. ICLR 2019.
    """

    abilities: ClassVar[frozenset[Ability]] = frozenset({Ability.ARCHITECTURES})

    num_epochs: int = setting(50, at_least=1, at_most=_MOST, help="Epochs of the search.")
    w_lr: float = setting(0.025, at_least=0, at_most=_MOST, help="Learning rate of the weights.")
    w_lr_min: float = setting(
        0.001, at_least=0, at_most=_MOST, help="Learning rate of the weights at the end."
    )
    w_momentum: float = setting(0.9, at_least=0, at_most=_MOST, help="Momentum of the weights.")
    w_weight_decay: float = setting(
        3e-4, at_least=0, at_most=_MOST, help="Weight decay of the weights."
    )
    w_grad_clip: float = setting(
        5.0, at_least=0, at_most=_MOST, help="Largest norm of the weights' gradients."
    )
    alpha_lr: float = setting(
        3e-4, at_least=0, at_most=_MOST, help="Learning rate of the architecture."
    )
    alpha_weight_decay: float = setting(
        1e-3, at_least=0, at_most=_MOST, help="Weight decay of the architecture."
    )
    batch_size: int | None = setting(128, at_least=1, at_most=_MOST, help="Size of a batch.")
    num_workers: int = setting(4, at_least=0, at_most=_MOST, help="Processes that load data.")
    init_channels: int = setting(16, at_least=1, at_most=_MOST, help="Channels of the first cell.")
    print_step: int = setting(50, at_least=1, at_most=_MOST, help="Batches between two reports.")
    num_nodes: int = setting(4, at_least=1, at_most=_MOST, help="Nodes of a cell.")
    stem_multiplier: int = setting(
        3, at_least=1, at_most=_MOST, help="Channels of the stem for each channel of a cell."
    )

    def search_space(self, declared: SearchSpace) -> SearchSpace:
        """See `suggestion.engine.algorithm.TransformsSpace`: a space of one point."""
        if not isinstance(declared, ArchitectureSpace):
            return declared
        graph = declared.graph
        if any(True for operation in graph.operations for _ in _violations(operation)):
            return declared
        settings = {each.name: getattr(self, each.name) for each in fields(self)}
        primitives = [text for operation in graph.operations for text in _primitives(operation)]
        texts = (_text(settings), _text(primitives), str(graph.layers))
        pairs = zip(SEARCHED_BY_TRIAL, texts, strict=True)
        return SearchSpace(tuple(Categorical(name, (text,)) for name, text in pairs))

    def violations(self, study: Study) -> Iterator[Violation]:
        """See `suggestion.engine.algorithm.Validates`."""
        space = study.space
        if isinstance(space, ArchitectureSpace):
            for index, operation in enumerate(space.graph.operations):
                for violation in _violations(operation):
                    yield violation.under("graph", "operations", index)
        elif tuple(parameter.name for parameter in space.parameters) != SEARCHED_BY_TRIAL:
            yield Violation(("space",), "algorithm 'darts' searches a nasConfig, got parameters")

    def suggest(self, study: Study, count: int) -> Sequence[Assignment]:
        """See `suggestion.engine.algorithm.Algorithm`."""
        return [study.space.point(0)] * count


def _violations(operation: Operation) -> Iterator[Violation]:
    """Yield the rules that an operation breaks as one of a cell."""
    if operation.kind != _SKIP and len(operation.parameters) != 1:
        names = ", ".join(quote(parameter.name) for parameter in operation.parameters) or "none"
        rule = "must have one parameter, the size of its filter, with algorithm 'darts'"
        text = f"operation {quote(operation.kind)}: {rule}, got {names}"
        yield Violation(("parameters",), text)


def _primitives(operation: Operation) -> Iterator[str]:
    """Yield what trials call an operation with each size of its filter: ``max_pooling_3x3``."""
    if operation.kind == _SKIP:
        yield operation.kind
        return
    for choice in operation.choices():
        ((_, size),) = choice.values
        yield f"{choice.kind}_{size}x{size}"


def _text(value: object) -> str:
    """Return JSON with ' in place of ", as trials read it."""
    return json.dumps(value).replace('"', "'")
