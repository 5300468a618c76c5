"""Writing YAML that every reader of it, Go's too, reads alike."""

from __future__ import annotations

from typing import Any, Final

import yaml

from suggestion.client.numbers import is_number

_WORDS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null", "~"})


class _Dumper(yaml.SafeDumper):
    """Writes texts that any reader of YAML could take for a number in quotation marks."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.ScalarNode:
    if "\n" in data:  # scripts, as people write them
        return dumper.represent_scalar("tag:yaml.org,2002:str", data, style="|")
    style = "'" if is_number(data) or data.lower() in _WORDS else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _text)


def to_yaml(document: Any) -> str:
    """Return a document as YAML, its fields in their order."""
    text: str = yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
    )  # fmt: skip
    return text
