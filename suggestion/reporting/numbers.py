"""Numbers in what programs report: of Python, numpy, torch and whatever else has ``float()``."""

from __future__ import annotations


def as_number(name: str, value: object) -> float:
    """Return the value of the metric `name` as a float.

    Raises:
        TypeError: If it is no single number: a text, an array of several, a complex number.
    """
    number = float_of(value)
    if number is None:
        raise TypeError(f"{name}: {refusal(value)}")
    return number


def float_of(value: object) -> float | None:
    """Return `value` as a float; None if it is no single number."""
    if not hasattr(value, "__float__") and not hasattr(value, "__index__"):
        return None
    if getattr(getattr(value, "dtype", None), "kind", "") == "c":
        return None  # numpy would drop the imaginary part, with a warning
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, RuntimeError):  # torch raises the last
        return None


def refusal(value: object) -> str:
    """Return why `value` is no number."""
    shape = getattr(value, "shape", None)
    # A large array says nothing in 80 characters.
    shown = f"{type(value).__name__} of shape {tuple(shape)}" if shape else f"{value!r:.80}"
    return f"must be a number, got {shown}"
