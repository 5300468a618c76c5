"""The words of the language of `expressions`, with their places in the text of a setting."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple, NoReturn

from suggestion.problem.errors import quote

#: Limits: characters of a setting, its statements, characters of one, and parentheses in others.
LONGEST_TEXT: Final = 5_000
MOST_STATEMENTS: Final = 100
LONGEST_STATEMENT: Final = 1_000
DEEPEST: Final = 50


#: Names that are words of the language.
WORDS: Final = frozenset({"and", "or", "not", "in", "if"})


class Mistake(ValueError):
    """A broken rule of the language.

    Attributes:
        rule: What is wrong, as a clause that ends with the value: ``…, got 'x'``.
        position: Index of the character in the text of the setting.
    """

    def __init__(self, rule: str, position: int) -> None:
        super().__init__(rule)
        self.rule, self.position = rule, position


class Mistakes(ValueError):
    """All that is wrong with the text of a setting."""

    def __init__(self, found: Iterable[Mistake]) -> None:
        self.found = tuple(found)
        super().__init__("; ".join(mistake.rule for mistake in self.found))


class Token(NamedTuple):
    """One word of a source: its kind, its text, and where it begins."""

    kind: str
    text: str
    start: int

    @property
    def value(self) -> str:
        """A name or text without its quotes."""
        return self.text[1:-1] if self.kind in ("quoted", "text") else self.text


class Statement(NamedTuple):
    """The tokens between two semicolons; `end` is the position after the last one."""

    tokens: tuple[Token, ...]
    end: int


_TOKEN: Final = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<quoted>`[^`]+`)"
    r"|(?P<text>'[^']*'|\"[^\"]*\")"
    r"|(?P<symbol>\*\*|<=|>=|==|!=|[-+*/<>(),;])"
)
_HINTS: Final = {"&&": "and", "&": "and", "||": "or", "|": "or", "!": "not", "=": "==", "^": "**"}


def statements(text: str) -> Iterator[Statement]:
    """Yield the statements of the text of a setting; empty ones are left out.

    Raises:
        Mistake: At the first character that begins no word, or where a limit is exceeded.
    """
    if len(text) > LONGEST_TEXT:
        raise Mistake(f"must have at most {LONGEST_TEXT} characters, got {len(text)}", LONGEST_TEXT)
    current: list[Token] = []
    number = 0
    for token in [*_tokens(text), Token("symbol", ";", len(text))]:
        if token.text != ";":
            current.append(token)
            continue
        if current:
            number += 1
            length = token.start - current[0].start
            if length > LONGEST_STATEMENT:
                rule = f"a statement must have at most {LONGEST_STATEMENT} characters, got {length}"
                raise Mistake(rule, current[0].start)
            if number > MOST_STATEMENTS:
                rule = f"must have at most {MOST_STATEMENTS} statements, got more"
                raise Mistake(rule, current[0].start)
            yield Statement(tuple(current), token.start)
        current = []


def _tokens(text: str) -> Iterator[Token]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            _refuse_character(text, position)
        assert match.lastgroup is not None
        if match.lastgroup != "space":
            yield Token(match.lastgroup, match[0], position)
        position = match.end()


def _refuse_character(text: str, position: int) -> NoReturn:
    here = text[position]
    if here in "'\"`":
        raise Mistake(f"a quotation must end, got {quote(text[position:])}", position)
    if here.isdigit() or here == ".":
        word = re.match(r"[\w.]+", text[position:])
        raise Mistake(f"is no number: {quote(word[0] if word else here)}", position)
    for wrong, right in _HINTS.items():
        if text.startswith(wrong, position):
            raise Mistake(f"{quote(wrong)} is no operator; did you mean {quote(right)}?", position)
    raise Mistake(f"{quote(here)} has no meaning here", position)


def unbalanced(tokens: Sequence[Token]) -> Mistake | None:
    """Return what `ast` says less clearly: a parenthesis without its other half, and a lost end."""
    opened: list[Token] = []
    for token in tokens:
        if token.text == "if" and token.kind == "name":
            return Mistake("has no place for 'if'", token.start)
        if token.text == "(":
            opened.append(token)
            if len(opened) > DEEPEST:
                return Mistake(f"is nested deeper than {DEEPEST} levels", token.start)
        elif token.text == ")":
            if not opened:
                return Mistake("has a ')' without its '('", token.start)
            opened.pop()
    if opened:
        return Mistake("has a '(' without its ')'", opened[-1].start)
    last = tokens[-1]
    if (last.kind == "symbol" and last.text != ")") or (last.kind == "name" and last.text in WORDS):
        return Mistake(f"ends after {quote(last.text)}", last.start)
    return None
