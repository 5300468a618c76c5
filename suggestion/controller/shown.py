"""Text of trials and servers as a terminal may show it: nothing in it steers the terminal."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from typing import Final

#: Characters of a line that is part of another.
LONGEST: Final = 200
_LONG_LINE: Final = 64 * 1024

# Colours, cursor movements, titles, links: what programs write for a terminal.
_SEQUENCES: Final = re.compile(
    r"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]"
    r"|[\]PX^_][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)"
    r"|[ -/]{0,8}[0-Z\\^-~])"
)
# Control characters, marks that turn the direction of writing, line separators, and halves of
# characters, which no terminal can be sent.
_CONTROLS: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def without_sequences(text: str) -> str:
    """Return `text` without colours and other sequences for terminals."""
    return _SEQUENCES.sub("", text)


def plain(text: str) -> str:
    """Return `text` without sequences for terminals; other control characters become visible.

    Line feeds and tabs stay; a carriage return, as progress bars write it, becomes a line feed.
    """
    text = without_sequences(text)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub(_escape, text)


def visible(text: str) -> str:
    """Return `text` with all control characters visible, line feeds and tabs too."""
    return re.sub(r"[\t\n]", _escape, _CONTROLS.sub(_escape, text))


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def one_line(text: str, longest: int = LONGEST) -> str:
    """Return `text` as one plain line of at most `longest` characters."""
    line = " ".join(plain(text).split())
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def plain_output(pieces: Iterable[bytes]) -> Iterator[str]:
    """Yield what a program has printed, as `plain` shows it."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    for piece in pieces:
        text = rest + decoder.decode(piece)
        # Whole lines, since a sequence may be cut in the middle; of a long line, what there is.
        cut = text.rfind("\n") + 1
        if len(text) - cut > _LONG_LINE:
            cut = len(text)
        yield plain(text[:cut])
        rest = text[cut:]
    yield plain(rest + decoder.decode(b"", True))
