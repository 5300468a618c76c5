"""Writes suggestion/client/data/job.json: the fields of a batch/v1 Job, from Kubernetes' client.

A field's type is ``str``, ``int``, ``bool``, ``object`` (any scalar), the name of another class, or
``List[...]`` or ``Dict[str, ...]`` of one of these.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from kubernetes import client

OUTPUT = Path(__file__).resolve().parent.parent / "suggestion" / "client" / "data" / "job.json"


def fields_of(name: str, found: dict[str, dict[str, str]]) -> None:
    """Add the class `name` to `found`, and those that its fields have."""
    if name in found:
        return
    cls = getattr(client, name)
    types = {attribute: re.sub("datetime", "str", kind) for attribute, kind in (
        cls.openapi_types.items()
    )}  # fmt: skip
    found[name] = {cls.attribute_map[key]: kind for key, kind in types.items()}
    for kind in types.values():
        for other in re.findall(r"[A-Z]\w+", kind):
            if other not in {"List", "Dict"}:
                fields_of(other, found)


def main() -> None:
    """Writes the file."""
    found: dict[str, dict[str, str]] = {}
    fields_of("V1Job", found)
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
