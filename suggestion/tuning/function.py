"""The function that is tuned: checked against the space, and taken to the processes of trials."""

from __future__ import annotations

import inspect
import io
import pickle
import sys
from collections import ChainMap
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import CodeType
from typing import ClassVar, Final

from suggestion.runtimes.python import calls
from suggestion.tuning.errors import BrokenRule, InvalidArgument
from suggestion.tuning.space import Space

#: Kinds of functions whose calls return no value: how they are told, and what they return.
_WITHOUT_VALUE: Final = (
    (inspect.iscoroutinefunction, "an async function", "a coroutine"),
    (inspect.isasyncgenfunction, "an async generator function", "an async generator"),
    (inspect.isgeneratorfunction, "a generator function", "a generator"),
)
#: What cloudpickle writes for the name of a source file.
_NO_FILE: Final = "<dynamic-code>"


def name_of(function: Callable[..., object]) -> str:
    """Return the name of a function; of a partial one, that of what it completes."""
    inner = getattr(function, "func", function)
    return str(getattr(inner, "__name__", type(inner).__name__))


def _called(function: Callable[..., object]) -> object:
    """Return what a call of `function` runs: the inner one of a partial, ``__call__`` of an
    instance.
    """
    while isinstance(function, partial):
        function = function.func
    if inspect.isroutine(function) or inspect.isclass(function):
        return function
    return type(function).__call__


def check(function: Callable[..., object], space: Space) -> None:
    """Check that a function can be called with the parameters of a space.

    Raises:
        InvalidArgument: With every argument that is missing, and every parameter that it does not
            take; or if it is a generator or async function.
    """
    if not callable(function):
        raise InvalidArgument([BrokenRule("function", f"must be a function, got {function!r:.80}")])
    for is_kind, kind, returned in _WITHOUT_VALUE:
        if is_kind(_called(function)):
            rule = f"must return a number, but is {kind}, which returns {returned}"
            raise InvalidArgument([BrokenRule(f"{name_of(function)}()", rule)])
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some builtins have none
        return
    name = name_of(function)
    broken = []
    takes_all = False
    taken = set()
    for key, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            takes_all = True
        elif parameter.kind is parameter.POSITIONAL_ONLY and parameter.default is parameter.empty:
            rule = f"must take its arguments by name, got {key!r} that is positional only"
            broken.append(BrokenRule(name, rule))
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            taken.add(key)
            if parameter.default is parameter.empty and key not in space.parameters:
                rule = f"has no parameter {key!r}, which {name}() needs"
                broken.append(BrokenRule("space", rule))
    for key in space.parameters:
        if not takes_all and key not in taken:
            broken.append(BrokenRule(space.place(key), f"{name}() takes no argument of this name"))
        elif "=" in key or "}" in key:
            rule = f"name must not contain '=' or '}}', got {key!r}"
            broken.append(BrokenRule(space.place(key), rule))
    if broken:
        raise InvalidArgument(broken)


def store(
    function: Callable[..., object], space: Space, path: Path, objectives: Sequence[str] = ()
) -> None:
    """Write a function to a file, from which the processes of trials read it.

    Functions of ``__main__`` and of notebooks, lambdas and closures go by value, with what they
    refer to; functions of modules by name.

    Args:
        objectives: Metrics that a trial must report.

    Raises:
        InvalidArgument: If it cannot be taken to another process.
    """
    name = name_of(function)
    try:
        calls.store(path, _pickle(function, space), objectives)
    except ImportError as error:
        raise ImportError(
            f"{name}() is not a function of a module; cloudpickle is needed to take it to the "
            f"processes of trials: pip install 'suggestion-servers[experiments]'"
        ) from error
    except (TypeError, AttributeError, pickle.PicklingError, ValueError, RecursionError) as error:
        guilty = ", ".join(_unpicklable(function))
        what = f"because of {guilty}" if guilty else "with all that it refers to"
        rule = f"cannot be taken to another process, {what}: {error}"
        raise InvalidArgument([BrokenRule(f"{name}()", rule)]) from error


def _unpicklable(function: Callable[..., object]) -> list[str]:
    """Return the names that a function refers to whose values cannot be pickled."""
    named: dict[str, object] = {}
    while isinstance(function, partial):
        named |= function.keywords
        function = function.func
    owner = getattr(function, "__self__", function)
    if not inspect.isroutine(owner) and not inspect.ismodule(owner):
        named |= getattr(owner, "__dict__", {})
    called = _called(function)
    if inspect.isfunction(called) or inspect.ismethod(called):
        found = inspect.getclosurevars(called)
        named |= {**found.globals, **found.nonlocals}
    return [repr(name) for name, value in named.items() if not _can_be_pickled(value)]


def _can_be_pickled(value: object) -> bool:
    try:
        _dumps(value)
    except Exception:
        return False
    return True


def _pickle(function: Callable[..., object], space: Space) -> bytes:
    call = (function, space.decoders())
    try:
        return _dumps(call)
    except ModuleNotFoundError:
        main = sys.modules["__main__"]
        if getattr(main, name_of(function), None) is function:
            raise
        try:
            plainly = pickle.dumps(call)
        except (pickle.PicklingError, AttributeError) as error:
            raise ImportError(str(error)) from error
        if b"__main__" in plainly:  # which is another program in the process of a trial
            raise
        return plainly


def _dumps(value: object) -> bytes:
    """Pickle a value with what it refers to.

    Unlike `cloudpickle.dumps`, keep the names of source files: a traceback shows their lines.

    Raises:
        ModuleNotFoundError: If cloudpickle is not installed.
    """
    from cloudpickle import CloudPickler  # noqa: PLC0415

    def reduce(code: CodeType) -> tuple[object, ...]:
        make, parts, *rest = CloudPickler.dispatch_table[CodeType](code)
        named = [code.co_filename if part == _NO_FILE else part for part in parts]
        return (make, tuple(named), *rest)

    class Pickler(CloudPickler):  # type: ignore[misc]  # which has no types
        # Looked up when a pickler is made: an attribute of the object would come too late.
        dispatch_table: ClassVar = ChainMap({CodeType: reduce}, CloudPickler.dispatch_table)

    file = io.BytesIO()
    Pickler(file).dump(value)
    return file.getvalue()
