"""Where a server listens, as users write it."""

from __future__ import annotations

import re
from typing import Final

#: What `is_target` takes, for messages.
TARGET_RULE: Final = "must be HOST:PORT with a port from 1 to 65535"
# What gRPC resolves: HOST:PORT, a socket of this machine, or a name with its scheme.
_TARGET: Final = re.compile(
    r"(?:\[[0-9A-Fa-f:.%]+\]|[^\s:/\[\]\ud800-\udfff]+):(?P<port>[0-9]{1,5})"
    r"|(?:unix(?:-abstract)?|dns|xds|passthrough|ipv4|ipv6):[^\s\ud800-\udfff]+"
)


def is_target(text: str) -> bool:
    """Return whether `text` is ``HOST:PORT``, ``unix:PATH`` or ``dns:///HOST:PORT``."""
    match = _TARGET.fullmatch(text)
    return match is not None and 1 <= int(match["port"] or 1) <= 65535
