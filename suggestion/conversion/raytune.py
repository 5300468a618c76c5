"""Search spaces of Ray Tune.

Ray has no file of its own for them: users have a dictionary in a Python program. It is read from
that program, which is not run, and from YAML or JSON that hold the same calls as texts
(``lr: tune.loguniform(1e-4, 1e-1)``), or ``grid_search`` as RLlib's files do.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any, Final

from suggestion.conversion import programs, spaces
from suggestion.conversion.definition import ConversionError, Definition, Loss
from suggestion.conversion.fields import scalar
from suggestion.problem.errors import quote
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Parameter

_GRID: Final = "grid_search"
# The arguments of each function, in their order.
_ARGUMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "uniform": ("lower", "upper"),
    "quniform": ("lower", "upper", "q"),
    "loguniform": ("lower", "upper", "base"),
    "qloguniform": ("lower", "upper", "q", "base"),
    "randint": ("lower", "upper"),
    "qrandint": ("lower", "upper", "q"),
    "lograndint": ("lower", "upper", "base"),
    "qlograndint": ("lower", "upper", "q", "base"),
    "randn": ("mean", "sd"),
    "qrandn": ("mean", "sd", "q"),
    "choice": ("categories",),
    _GRID: ("values",),
}
_FUNCTIONS: Final = frozenset(_ARGUMENTS) | {"sample_from"}


def is_call(node: object) -> bool:
    """Return whether `node` is a domain of Ray Tune, as a text or as a mapping."""
    if isinstance(node, Mapping):
        return set(node) == {_GRID}
    if not isinstance(node, str):
        return False
    try:
        return _function(ast.parse(node.strip(), mode="eval").body) is not None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _mentions(text: str) -> bool:
    """Return whether an expression has a domain somewhere in it."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(isinstance(node, ast.Call) and _function(node) for node in ast.walk(tree))


def in_program(source: str) -> dict[str, Any] | None:
    """Return the first dictionary of a Python program that holds domains, with these as texts.

    Raises:
        ConversionError: If it is no Python program, or its constants are too much.
    """
    try:
        tree = programs.plain(ast.parse(source))
    except ConversionError:
        raise
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConversionError([Loss("the program", f"must be Python: {error}")]) from error
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Dict) and _holds(node)]
    # `walk` goes breadth first: the first one holds those inside it.
    return _plain(found[0]) if found else None


def _holds(node: ast.Dict) -> bool:
    return any(
        _function(value) is not None or (isinstance(value, ast.Dict) and _holds(value))
        for value in node.values
    )


def _plain(node: ast.Dict) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        name = key.value if isinstance(key, ast.Constant) else ast.unparse(key or value)
        if isinstance(value, ast.Dict):
            made[str(name)] = _plain(value)
        elif isinstance(value, ast.Constant):
            made[str(name)] = value.value
        else:
            made[str(name)] = ast.unparse(value)
    return made


def _function(node: ast.expr) -> str | None:
    """Return the name of the function of Ray Tune that an expression calls; None if it is none."""
    if not isinstance(node, ast.Call):
        return None
    called = node.func
    if isinstance(called, ast.Attribute):
        owner = ast.unparse(called.value)
        name = called.attr if owner in ("tune", "ray.tune") else ""
    else:
        name = called.id if isinstance(called, ast.Name) else ""
    return name if name in _FUNCTIONS else None


def read(data: Any, losses: list[Loss]) -> Definition:
    """Return the search space of a dictionary."""
    builder = spaces.Builder(losses)
    for name, node, place in _leaves(data, "", ""):
        _parameter(builder, name, place, node)
    return Definition(parameters=builder.finish())


def _leaves(data: Mapping[str, Any], prefix: str, place: str) -> Iterator[tuple[str, Any, str]]:
    """Yield every entry, those of inner dictionaries with a slash in their names, as Ray does."""
    for key, node in data.items():
        name, where = f"{prefix}{key}", f"{place}.{key}" if place else str(key)
        if isinstance(node, Mapping) and not is_call(node):
            yield from _leaves(node, f"{name}/", where)
        else:
            yield name, node, where


def _parameter(builder: spaces.Builder, name: str, place: str, node: Any) -> None:
    if isinstance(node, Mapping):
        builder.listed(name, place, node[_GRID])
        return
    if not is_call(node):
        if isinstance(node, str) and _mentions(node):
            builder.refuse(place, f"must be a domain by itself, got {quote(scalar(node))}")
            return
        builder.losses.append(Loss(place, f"is constant, and no parameter: {quote(scalar(node))}"))
        return
    call = ast.parse(node.strip(), mode="eval").body
    assert isinstance(call, ast.Call)
    kind = _function(call)
    if kind is None or kind == "sample_from":
        builder.refuse(place, f"a function of the user's cannot be read, got {quote(node)}")
        return
    given = dict(zip(_ARGUMENTS[kind], call.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    try:
        values = {key: _value(argument) for key, argument in given.items()}
    except (ValueError, TypeError, SyntaxError, ArithmeticError):
        rule = "arguments must be literals, arithmetic with them or a short range"
        builder.refuse(place, f"{rule}, got {quote(node)}")
        return
    missing = [key for key in _ARGUMENTS[kind] if key not in values and key not in _DEFAULTS]
    if missing or len(call.args) > len(_ARGUMENTS[kind]):
        builder.refuse(place, f"must have {', '.join(_ARGUMENTS[kind])}, got {quote(node)}")
        return
    _add(builder, name, place, kind, {**_DEFAULTS, **values})


_DEFAULTS: Final[Mapping[str, Any]] = {"base": 10, "mean": 0.0, "sd": 1.0}
_LONGEST_RANGE: Final = 10_000


def _value(node: ast.expr) -> Any:
    """Return the value of a literal, or of arithmetic with literals: ``2 ** 5``, ``-1e-3``."""
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left), _value(node.right)
        if not all(isinstance(v, int | float) and abs(v) < 1e6 for v in (left, right)):
            raise ValueError("no small numbers")
        match node.op:
            case ast.Add():
                return left + right
            case ast.Sub():
                return left - right
            case ast.Mult():
                return left * right
            case ast.Div():
                return left / right
            case ast.Pow() if abs(right) <= 64:
                return left**right
        raise ValueError(f"{type(node.op).__name__} is not known")
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(entry) for entry in node.elts]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
        listed = range(*(int(_value(argument)) for argument in node.args))
        if len(listed) > _LONGEST_RANGE:
            raise ValueError(f"a range must have at most {_LONGEST_RANGE} values")
        return list(listed)
    return ast.literal_eval(node)


def _add(builder: spaces.Builder, name: str, place: str, kind: str, v: Mapping[str, Any]) -> None:
    if kind in ("choice", _GRID):
        builder.listed(name, place, v.get("categories", v.get("values")))
        return
    if kind in ("randn", "qrandn"):
        builder.normal(name, place, v["mean"], v["sd"], v.get("q"))
        return
    whole = "randint" in kind
    low, high, step = v["lower"], v["upper"], v.get("q")
    if whole and step is None:  # these exclude their end
        high = spaces.before(high)
    options = {"whole": whole, "log": "log" in kind}
    if step is None or (whole and step == 1):
        builder.ranged(name, place, low, high, **options)
    else:
        builder.quantised(name, place, low, high, step, **options)


# ------------------------------------------------------------------------ writing


def write(made: Definition, losses: list[Loss]) -> dict[str, Any]:
    """Return a dictionary of calls as texts."""
    if made.conditions:
        losses.append(Loss("conditions", "Ray Tune has none; every parameter is always active"))
    made.space_only(losses, "a file for Ray Tune holds")
    return {parameter.name: _written(parameter, losses) for parameter in made.parameters}


def _written(parameter: Parameter, losses: list[Loss]) -> str:
    if isinstance(parameter, Discrete | Categorical):
        return f"tune.choice({spaces.values(parameter)!r})"
    assert isinstance(parameter, Double | Int)
    low, high, step = parameter.min, parameter.max, parameter.step
    if parameter.distribution.is_normal:
        losses.append(Loss(parameter.name, "its normal distribution has no bounds in Ray Tune"))
        mean, deviation = spaces.moments(parameter)
        if not parameter.distribution.is_log:
            if step is None:
                return f"tune.randn({mean!r}, {deviation!r})"
            return f"tune.qrandn({mean!r}, {deviation!r}, {step!r})"
        losses.append(Loss(parameter.name, "Ray Tune has no log-normal; it is log-uniform"))
    log = "log" if parameter.distribution.is_log else ""
    if isinstance(parameter, Int) and step == 1:
        return f"tune.{log}randint({low}, {high + 1})"
    kind = "randint" if isinstance(parameter, Int) else "uniform"
    if step is None:
        return f"tune.{log}{kind}({low!r}, {high!r})"
    if not spaces.multiples(parameter):
        listed = None if log else spaces.lattice(parameter)
        if listed is not None:
            losses.append(Loss(parameter.name, spaces.listing(parameter)))
            return f"tune.choice({listed!r})"
        losses.append(Loss(parameter.name, "Ray Tune rounds to multiples of the step"))
    return f"tune.q{log}{kind}({low!r}, {high!r}, {step!r})"
