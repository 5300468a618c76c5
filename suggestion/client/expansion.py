"""A bound on what the aliases of a YAML file stand for: 800 bytes of them can be gigabytes."""

from __future__ import annotations

from typing import Final

import yaml

#: Characters and nodes that a document may have once its aliases are written out; more only if the
#: file itself is as long.
LARGEST: Final = 1_000_000


def check(node: yaml.Node, length: int) -> None:
    """Check how large a document is with every alias written out.

    Args:
        node: The root of the document, before merge keys are followed.
        length: Characters of the file.

    Raises:
        yaml.MarkedYAMLError: If it is too large.
    """
    size = _size(node, {})
    # Without an alias, there is less than a node to each character.
    largest = max(LARGEST, 2 * length)
    if size > largest:
        raise yaml.constructor.ConstructorError(
            None,
            None,
            f"aliases must not make a document longer than {LARGEST} characters",
            node.start_mark,
        )


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    if id(node) not in known:
        known[id(node)] = 0  # an alias of what it is part of is refused elsewhere
        size = 1
        if isinstance(node, yaml.ScalarNode):
            size += len(node.value)
        elif isinstance(node, yaml.SequenceNode):
            size += sum(_size(child, known) for child in node.value)
        elif isinstance(node, yaml.MappingNode):
            size += sum(_size(key, known) + _size(child, known) for key, child in node.value)
        known[id(node)] = size
    return known[id(node)]
