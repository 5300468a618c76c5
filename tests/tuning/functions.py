"""Functions that tests tune; imported by the processes of trials, so it imports next to nothing."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import suggestion as sg


def square(x: float, n: int = 1) -> float:
    print(f"x is {x}")
    return x * x + n


def conditional(kind: str, y: float, x: float | None = None) -> float:
    print(kind, x, y)
    return y


def metrics(x: float) -> dict[str, float]:
    return {"accuracy": 1 - x, "size": 7.0}


def measured(x: float) -> dict[str, float]:
    return {"loss": x, "size": 1, "memory": 5}


def curve(x: float, epochs: int = 8) -> float:
    """A learning curve that depends on the number of the trial: the last ones are bad."""
    bad = len(os.listdir(Path(os.environ["SUGGEST_TRIAL_DIR"]).parent)) > 4
    loss = 100.0 if bad else 1.0
    try:
        for epoch in range(epochs):
            sg.report(loss + x / (epoch + 1), step=epoch, epoch=epoch)
    except Exception:  # must not catch the end of a trial
        print("caught")
    finally:
        print(f"left at {epoch}")
    return loss


def level(x: float, steps: int = 9) -> float:
    """A learning curve that stays at x."""
    try:
        for step in range(1, steps + 1):
            sg.report(x, step=step)
    finally:
        print(f"left at {step}")
    return x


def killed(x: float) -> float:
    sg.report(x)
    os.kill(os.getpid(), signal.SIGTERM)
    for _ in range(9):
        sg.report(x)
    return x


def markup(x: float) -> float:
    raise ValueError('boom at <b> & "c"')


def boom(x: float) -> float:
    raise ValueError(f"boom at {x}")


def sometimes(x: float, switch: str) -> float:
    if not Path(switch).exists():
        raise RuntimeError("the switch is off")
    return x


def slow(x: float, folder: str, seconds: float = 0.5) -> float:
    path = Path(folder) / os.environ["SUGGEST_TRIAL_NAME"]
    path.write_text(f"{os.getpid()}")
    time.sleep(seconds)
    return x


def types(x: float, n: int, kind: str | None, function: Callable[[float], float]) -> float:
    print(type(x).__name__, type(n).__name__, repr(kind), function.__name__)
    return function(x)


def anything(**values: object) -> float:
    return float(len(values))


def tradeoff(x: float, y: float) -> dict[str, float]:
    return {"cost": x, "gain": x + y, "size": 10 * y}


def flat(x: float) -> float:
    return x
