"""Sweeps of Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from suggestion.conversion import experiment, spaces
from suggestion.conversion.definition import Definition, Loss, aliases, plain_name, reference
from suggestion.conversion.fields import Fields, scalar
from suggestion.problem.errors import quote
from suggestion.problem.lists import Categorical, Discrete
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Parameter

_METHODS: Final = {"grid": "grid", "random": "random", "bayes": "bayesianoptimization"}
_COMMAND: Final = ("${interpreter}", "${program}", "${args}")
_ARGUMENTS: Final = ("${args}", "${args_no_boolean_flags}")
_NO_HYPHENS: Final = "${args_no_hyphens}"


def read(data: Any, losses: list[Loss]) -> Definition:
    """Return what the file of a sweep says."""
    root = Fields(data, "", losses)
    metric = root.fields("metric")
    goal = metric.text("goal")
    algorithm = root.known(_METHODS, "method")
    builder = spaces.Builder(losses)
    constants: dict[str, str] = {}
    _add(builder, root.take("parameters") or {}, "", "parameters", constants)
    parameters = builder.finish()
    stop = root.fields("early_terminate")
    if stop.text("type"):
        why = "there is no such rule here; medianstop, asha and hyperband stop trials early"
        root.lose("early_terminate", why)
        stop.ignore("type", "min_iter", "max_iter", "s", "eta", "strict")
    command = _command(root, [p.name for p in parameters], constants)
    made = Definition(
        plain_name(root.text("name")),
        parameters,
        (),
        metric.text("name"),
        goal == "maximize" if goal else None,
        metric.number("target"),
        algorithm=algorithm,
        trials=root.whole("run_cap"),
        command=command,
    )
    for fields in (metric, stop, root):
        fields.close()
    return made


def _command(root: Fields, names: list[str], constants: Mapping[str, str]) -> tuple[str, ...]:
    """Return the words of a trial's command, with what W&B puts in place of its macros."""
    program = root.text("program")
    given = root.texts("command") or (_COMMAND if program else ())
    plain = {"${env}": (), "${interpreter}": ("python",), "${program}": (program,)}
    made = aliases(names)
    pairs = {name: reference(alias) for name, alias in made.items()} | dict(constants)
    words: list[str] = []
    for word in given:
        if word in plain:
            words += plain[word]
        elif word in _ARGUMENTS:
            words += [f"--{name}={value}" for name, value in pairs.items()]
        elif word == _NO_HYPHENS:
            words += [f"{name}={value}" for name, value in pairs.items()]
        elif word.startswith("${args_json"):
            root.lose("command", f"{word}: a trial reads the variable SUGGEST_PARAMETERS instead")
        elif word.startswith("${envvar:"):
            root.lose("command", f"{word}: variables of the shell go under trialTemplate.env")
        else:
            words.append(word)
    if not {*_ARGUMENTS, _NO_HYPHENS} & {*given}:
        for name, value in constants.items():
            why = f"is constant, and no parameter: add {quote(value)} to the command"
            root.losses.append(Loss(f"parameters.{name}", why))
    return tuple(words)


def _add(
    builder: spaces.Builder,
    parameters: Any,
    prefix: str,
    place: str,
    constants: dict[str, str],
) -> None:
    """Add parameters; those inside others have dots in their names."""
    if not isinstance(parameters, Mapping):
        builder.refuse(place, f"must be a mapping, got {quote(parameters)}")
        return
    for key, node in parameters.items():
        name, where = f"{prefix}{key}", f"{place}.{key}"
        fields = Fields(node, where, builder.losses)
        if "parameters" in fields:
            _add(builder, fields.take("parameters"), f"{name}.", where, constants)
        else:
            _parameter(builder, name, where, fields, constants)
        fields.close()


def _parameter(
    builder: spaces.Builder,
    name: str,
    place: str,
    fields: Fields,
    constants: dict[str, str],
) -> None:
    kind = fields.text("distribution")
    low, high, step = (fields.take(key) for key in ("min", "max", "q"))
    if "value" in fields:
        constants[name] = scalar(fields.take("value"))
        return
    if "values" in fields:
        if fields.take("probabilities") is not None:
            fields.lose("probabilities", "values are equally probable here")
        builder.listed(name, place, fields.take("values"))
        return
    if not kind:  # W&B's own rule
        whole = all(isinstance(end, int) for end in (low, high))
        kind = "int_uniform" if whole else "uniform"
    if kind.endswith("normal"):
        step = (1 if step is None else step) if kind.startswith("q_") else None
        mean, deviation = fields.take("mu"), fields.take("sigma")
        mean = 0.0 if mean is None else mean
        deviation = 1.0 if deviation is None else deviation
        builder.normal(name, place, mean, deviation, step, log="log" in kind)
        return
    if kind.removesuffix("_values").removeprefix("inv_").removeprefix("q_") not in _RANGES:
        known = "constant, categorical, int_uniform, uniform, log_uniform, normal and their like"
        builder.refuse(place, f"distribution must be one of {known}, got {quote(kind)}")
        return
    if low is None or high is None:
        builder.refuse(place, "must have min and max")
        return
    if "log" in kind and not kind.endswith("_values"):  # the ends are exponents of e
        if kind.startswith("inv_"):  # of 1 / X; X itself is log-uniform as well
            low, high = spaces.negative(high), spaces.negative(low)
        low, high = spaces.exponential(low), spaces.exponential(high)
    if not kind.startswith("q_"):
        builder.ranged(name, place, low, high, whole=kind == "int_uniform", log="log" in kind)
        return
    step = 1 if step is None else step
    whole = all(isinstance(end, int) for end in (low, high, step))
    builder.quantised(name, place, low, high, step, whole=whole, log="log" in kind)


_RANGES: Final = frozenset({"int_uniform", "uniform", "log_uniform"})


# ------------------------------------------------------------------------ writing


def write(made: Definition, losses: list[Loss]) -> dict[str, Any]:
    """Return the file of a sweep."""
    methods = {here: there for there, here in _METHODS.items()}
    method = methods.get(made.algorithm, "bayes")
    if made.algorithm not in methods:
        losses.append(Loss("algorithm", f"W&B has no {made.algorithm!r}; the method is bayes"))
    held = ("name", "objective", "goal", "algorithm", "maxTrialCount", "parallelTrialCount")
    made.lose(losses, "a sweep has nothing like it", *held, "trialTemplate")
    metric: dict[str, Any] = {
        "name": made.metric,
        "goal": "maximize" if made.maximize else "minimize",
    }
    if made.target:
        metric["target"] = spaces.number(made.target)
    names = _names(made, losses)
    sweep: dict[str, Any] = {"name": made.name} if made.name else {}
    sweep |= {"method": method, "metric": metric}
    if made.trials:
        sweep["run_cap"] = made.trials
    if made.parallel:
        losses.append(Loss("parallelTrialCount", "start as many agents of W&B"))
    command = _written_command(made, names, losses)
    program = next((word for word in command if word.endswith(".py")), "")
    if program:
        sweep["program"] = program
        command = ["${program}" if word == program else word for word in command]
    if command:
        sweep["command"] = command
    sweep["parameters"] = {names[p.name]: _written(p, losses) for p in made.parameters}
    return sweep


def _names(made: Definition, losses: list[Loss]) -> dict[str, str]:
    """Return what a sweep calls each parameter: it puts two dashes before a name by itself."""
    names = aliases([parameter.name for parameter in made.parameters])
    return {name: alias if name.startswith("-") else name for name, alias in names.items()}


def _written_command(made: Definition, names: Mapping[str, str], losses: list[Loss]) -> list[str]:
    container = experiment.container_of(made, losses)
    words = [*container.get("command", ()), *container.get("args", ())]
    own = {f"--{short}={reference(name)}": name for name, short in names.items()}
    command: list[str] = []
    used: set[str] = set()
    for word in words:
        if word in own:
            used.add(own[word])
            if "${args}" not in command:
                command.append("${args}")
        else:
            command.append(word)
    for name in names:
        if any(reference(name) in word for word in command) or (words and name not in used):
            why = "W&B hands parameters over as --NAME=VALUE only; change the command"
            losses.append(Loss(f"command: {name}", why))
    for key in (key for key in container if key not in ("name", "command", "args")):
        losses.append(Loss(f"trialTemplate: {key}", "a sweep has nothing like it"))
    return command


def _written(parameter: Parameter, losses: list[Loss]) -> dict[str, Any]:
    if isinstance(parameter, Discrete | Categorical):
        return {"values": spaces.values(parameter)}
    assert isinstance(parameter, Double | Int)
    distribution, step = parameter.distribution, parameter.step
    if distribution.is_normal:
        losses.append(Loss(parameter.name, "its normal distribution has no bounds in W&B"))
        mean, deviation = spaces.moments(parameter)
        log = "log_" if distribution.is_log else ""
        made = {"distribution": f"{log}normal", "mu": mean, "sigma": deviation}
        if step is not None:
            made |= {"distribution": f"q_{log}normal", "q": step}
        return made
    ends = {"min": parameter.min, "max": parameter.max}
    plain = isinstance(parameter, Int) and not distribution.is_log and step == 1
    if plain:
        return {"distribution": "int_uniform", **ends}
    kind = "log_uniform_values" if distribution.is_log else "uniform"
    if step is None:
        return {"distribution": kind, **ends}
    if not spaces.multiples(parameter):
        listed = None if distribution.is_log else spaces.lattice(parameter)
        if listed is not None:
            losses.append(Loss(parameter.name, spaces.listing(parameter)))
            return {"values": listed}
        losses.append(Loss(parameter.name, "W&B rounds to multiples of the step"))
    return {"distribution": f"q_{kind}", **ends, "q": step}
