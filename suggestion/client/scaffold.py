"""A first Experiment file, with comments, from the arguments of a script or from answers."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from suggestion.client.arguments import Argument

# Arguments that say how a trial runs, not what it tries.
_NOT_TUNED = re.compile(
    r"(^|[-_])(seed|epochs?|steps|iterations|iters|workers|jobs|threads|gpus?|cpus?|device|rank"
    r"|port|verbose|log|interval|every|freq|version|limit|nodes|world|size-limit)([-_]|$)"
)
# Those whose magnitude matters.
_BY_MAGNITUDE = re.compile(
    r"(^|[-_])(lr|rate|decay|alpha|lambda|eps|epsilon|reg|tol|wd|l1|l2|c)([-_]|$)"
)
_MOST_CHOICES = 50
_LARGEST = 1e15
#: End of the note on an argument without which the program does not run.
MUST = ", but must be given: add it to the command"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the file.

    Attributes:
        name: As the file has it.
        kind: ``double``, ``int``, ``discrete`` or ``categorical``.
        feasible: Its ``feasibleSpace``.
        comment: Why it is so.
        word: How the command of a trial gives it; by default as ``--NAME=``.
        subcommand: Of the program, after which the word goes.
    """

    name: str
    kind: str
    feasible: Mapping[str, str | Sequence[str]]
    comment: str = ""
    word: str = ""
    subcommand: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a file is made of.

    Attributes:
        command: Of a trial, without the parameters.
        notes: Lines on what was left out.
    """

    name: str
    command: str
    metric: str
    maximize: bool
    algorithm: str
    trials: int
    parallel: int
    parameters: Sequence[Parameter]
    notes: Sequence[str] = ()


def guess(arguments: Sequence[Argument]) -> tuple[list[Parameter], list[str]]:
    """Return a parameter for each argument that can be tuned, and a note on each other one.

    Of several subcommands, the first one that has a parameter is tuned.
    """
    parameters, notes = [], []
    chosen = ""
    others: dict[str, None] = {}
    alone: dict[int, str] = {}
    for argument in arguments:
        if chosen and argument.subcommand not in ("", chosen):
            others[argument.subcommand] = None
            continue
        made = _parameter(argument)
        if argument.group and isinstance(made, Parameter):
            first = alone.setdefault(argument.group, argument.flag)
            made = made if first == argument.flag else f"must not be given together with {first}"
        if isinstance(made, Parameter):
            parameters.append(made)
            chosen = chosen or argument.subcommand
        else:
            must = MUST if _must(argument) else ""
            notes.append(f"{argument.flag or f'line {argument.line}'}: {made}{must}")
    notes += [f"{name}: is another subcommand than {chosen}" for name in others]
    return parameters, notes


def _must(argument: Argument) -> bool:
    positional = argument.flag != "" and argument.positional
    return argument.required or (positional and argument.action == "store")


def _parameter(argument: Argument) -> Parameter | str:
    """Return the parameter that an argument becomes, or why it becomes none."""
    name, default = argument.name, argument.default
    if not argument.flag:
        return "adds an argument whose name is no literal"
    switch = argument.action == "BooleanOptionalAction"
    if argument.positional or not (switch or argument.action == "store"):
        return "takes no single value after a flag"
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        return "its name is none of a parameter"
    if switch:
        return "says how a trial runs" if _NOT_TUNED.search(name.lower()) else _switch(argument)
    if argument.choices:
        return _listed(argument)
    if _NOT_TUNED.search(name.lower()):
        return "says how a trial runs"
    if argument.kind not in ("float", "int"):
        return "is no number, and has no choices"
    if not isinstance(default, int | float) or isinstance(default, bool):
        return "has no default to choose a range around"
    if not 0 <= default < _LARGEST:
        return f"no range is known around its default, {default}"
    comment = f"default {default}" + (f"; {argument.help}" if argument.help else "")
    kind, feasible = _range(name.lower(), argument.kind, default)
    return _made(argument, kind, feasible, comment)


def _made(
    argument: Argument, kind: str, feasible: Mapping[str, str | Sequence[str]], comment: str
) -> Parameter:
    word = f"{argument.flag}=${{trialParameters.{argument.name}}}"
    return Parameter(argument.name, kind, feasible, comment, word, argument.subcommand)


def _switch(argument: Argument) -> Parameter:
    """Return the choice between ``--name`` and ``--no-name``."""
    values = [f"--{argument.name}", f"--no-{argument.name}"]
    word = f"${{trialParameters.{argument.name}}}"
    made = Parameter(argument.name, "categorical", {"list": values}, argument.help, word)
    return replace(made, subcommand=argument.subcommand)


def _listed(argument: Argument) -> Parameter | str:
    texts = [str(choice) for choice in argument.choices]
    if len(texts) > _MOST_CHOICES or len(set(texts)) < len(texts) or not all(texts):
        return "has choices that cannot be listed"
    numbers = argument.kind in ("float", "int") and all(
        isinstance(choice, int | float) for choice in argument.choices
    )
    kind = "discrete" if numbers else "categorical"
    return _made(argument, kind, {"list": texts}, argument.help)


def _range(name: str, kind: str, default: float) -> tuple[str, Mapping[str, str]]:
    if kind == "int":
        low, high = max(1, int(default) // 4), max(4, int(default) * 4)
        feasible = {"min": str(low), "max": str(high)}
        return "int", feasible | ({"distribution": "logUniform"} if high >= 100 else {})
    if default > 0 and (_BY_MAGNITUDE.search(name) or default < 0.05 or default > 1):
        ends = {"min": f"{default / 100:g}", "max": f"{default * 100:g}"}
        return "double", ends | {"distribution": "logUniform"}
    if default == 0 and _BY_MAGNITUDE.search(name):
        return "double", {"min": "1e-06", "max": "0.1", "distribution": "logUniform"}
    return "double", {"min": "0", "max": "0.99"}


# ------------------------------------------------------------------------ writing


def write(draft: Draft) -> str:
    """Return the text of the file."""
    return "\n".join(_lines(draft)) + "\n"


def _lines(draft: Draft) -> Iterator[str]:
    goal = "maximize" if draft.maximize else "minimize"
    yield f"# Run it: suggest run FILE; check it: suggest validate FILE. {draft.trials} trials."
    yield "apiVersion: kubeflow.org/v1beta1"
    yield "kind: Experiment"
    yield "metadata:"
    yield f"  name: {draft.name}"
    yield "spec:"
    yield "  objective:"
    yield f"    type: {goal} # or {'minimize' if draft.maximize else 'maximize'}"
    yield f"    # Each trial prints lines such as {draft.metric}=0.31; the latest counts."
    yield f"    objectiveMetricName: {_scalar(draft.metric)}"
    yield "    # goal: 0.99 # the experiment ends when a trial reaches it"
    yield "  algorithm:"
    yield f"    algorithmName: {_scalar(draft.algorithm)} # suggest algorithms lists them all"
    yield "  # earlyStopping: # ends trials that will not win"
    yield "  #   algorithmName: medianstop"
    yield f"  parallelTrialCount: {draft.parallel}"
    yield f"  maxTrialCount: {draft.trials}"
    yield "  # maxFailedTrialCount: 3"
    if draft.notes:
        yield "  # Left out:"
        yield from (f"  #   {note}" for note in draft.notes)
    yield "  parameters:"
    for parameter in draft.parameters:
        yield from _parameter_lines(parameter)
    yield "  trialTemplate:"
    yield "    # Without a cluster, a command; docs/experiments.md has containers and Kubernetes."
    yield "    command:"
    yield from (f"      - {_scalar(word)}" for word in _command(draft))


def _parameter_lines(parameter: Parameter) -> Iterator[str]:
    comment = f" # {parameter.comment}" if parameter.comment else ""
    yield f"    - name: {_scalar(parameter.name)}{comment}"
    yield f"      parameterType: {parameter.kind}"
    yield "      feasibleSpace:"
    for key, value in parameter.feasible.items():
        if isinstance(value, str):
            yield f"        {key}: {value if key == 'distribution' else json.dumps(value)}"
        else:
            yield f"        {key}: [{', '.join(json.dumps(text) for text in value)}]"


def _command(draft: Draft) -> Iterator[str]:
    words = shlex.split(draft.command)
    yield from words
    last = ""
    # What the program itself takes stands before the subcommand.
    for parameter in sorted(draft.parameters, key=lambda each: each.subcommand != ""):
        if parameter.subcommand != last:
            last = parameter.subcommand
            if last not in words:
                yield last
        yield parameter.word or f"--{parameter.name}=${{trialParameters.{parameter.name}}}"


def _scalar(text: str) -> str:
    """Return a text as YAML: plain where it is one for any reader, else quoted."""
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_./-]*", text)
    words = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
    return text if plain and text.lower() not in words else json.dumps(text)
