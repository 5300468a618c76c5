"""Minimise many smooth functions within bounds at the same time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from suggestion.problem.parameters import Array

#: Values (b,) and gradients (b, p) at points (b, p) of the problems numbered by the second
#: argument, shape (b,).
Objective: TypeAlias = Callable[[Array, NDArray[np.intp]], tuple[Array, Array]]

_MEMORY: Final = 8
_SUFFICIENT: Final = 1e-4  # Armijo's constant
_TRIES: Final = 12


def minimise(
    function: Objective,
    start: Array,
    lower: Array,
    upper: Array,
    *,
    iterations: int,
    gradient_tolerance: float,
    value_tolerance: float,
    go_on: Callable[[], bool] = lambda: True,
) -> tuple[Array, Array]:
    """Run projected L-BFGS [Bertsekas1982]_ [Nocedal1980]_ from every row of `start`, in step.

    All problems share their calls of `function`, which keeps numpy's cost per call small; a
    converged problem is not evaluated any more.

    Args:
        function: Smooth within the bounds; may return inf (then the step is shortened).
        start: Shape (b, p).
        lower, upper: Bounds, shape (p,).
        iterations: Largest number of iterations.
        gradient_tolerance: A problem stops when no component of its projected gradient is larger.
        value_tolerance: A problem stops when a step gains less than this absolute value.
        go_on: Called before each iteration; False ends with the best so far.

    Returns:
        Points, shape (b, p), and their values, shape (b,): never worse than at `start`.

    .. [Bertsekas1982] D. P. Bertsekas. Projected Newton methods for optimization problems with
       simple constraints. SIAM J. Control and Optimization 20(2), 1982.
    .. [Nocedal1980] J. Nocedal. Updating quasi-Newton matrices with limited storage. Mathematics of
       Computation 35, 1980.
    """
    x = np.clip(start, lower, upper)
    active = np.arange(len(x))
    value, gradient = function(x, active)
    steps: list[Array] = []
    changes: list[Array] = []
    for _ in range(iterations):
        g, point = gradient[active], x[active]
        blocked = ((point <= lower) & (g > 0)) | ((point >= upper) & (g < 0))
        free = ~blocked
        g = np.where(free, g, 0.0)
        going = np.isfinite(value[active]) & (np.abs(g).max(axis=1) > gradient_tolerance)
        if not going.all():
            active, g, free = active[going], g[going], free[going]
        if not len(active) or not go_on():
            break
        past = np.array([steps, changes]).reshape(2, len(steps), *x.shape)
        direction = -_two_loops(g, free, *past.take(active, axis=2))
        uphill = (direction * g).sum(axis=1) > -1e-10 * (g * g).sum(axis=1)
        direction[uphill] = -g[uphill]
        if not steps:
            direction /= np.maximum(1.0, np.abs(direction).max(axis=1, keepdims=True))
        moved, step, change = _search(
            function, x, value, gradient, active, direction, lower, upper, value_tolerance
        )
        active = active[moved]
        steps, changes = [*steps[1 - _MEMORY :], step], [*changes[1 - _MEMORY :], change]
    return x, value


def _two_loops(g: Array, free: NDArray[np.bool_], steps: Array, changes: Array) -> Array:
    """Return the inverse Hessian times `g` within the free coordinates, shape (b, p).

    Args:
        g: Projected gradients, shape (b, p).
        free: Coordinates that no bound blocks, shape (b, p).
        steps, changes: Differences of points and of gradients, shape (m, b, p), the latest last.
    """
    if not len(steps):
        return g.copy()
    s, c = steps * free, changes * free
    curvature = (s * c).sum(axis=2, keepdims=True)
    size = (c * c).sum(axis=2, keepdims=True)
    usable = curvature > 1e-10 * size
    rho = np.where(usable, 1 / np.where(usable, curvature, 1.0), 0.0)
    scale = np.where(usable[-1], curvature[-1] / np.where(usable[-1], size[-1], 1.0), 1.0)
    q = g.copy()
    a = np.empty_like(rho)
    for k in reversed(range(len(s))):
        a[k] = rho[k] * (s[k] * q).sum(axis=1, keepdims=True)
        q -= a[k] * c[k]
    q *= scale
    for k in range(len(s)):
        q += (a[k] - rho[k] * (c[k] * q).sum(axis=1, keepdims=True)) * s[k]
    return q * free


def _search(
    function: Objective,
    x: Array,
    value: Array,
    gradient: Array,
    active: NDArray[np.intp],
    direction: Array,
    lower: Array,
    upper: Array,
    value_tolerance: float,
) -> tuple[NDArray[np.bool_], Array, Array]:
    """Backtrack along the projected path; update x, value and gradient where it succeeds.

    Returns:
        Which of `active` gained more than `value_tolerance`, and for all problems the steps and
        the changes of the gradient, zero where there was none.
    """
    # By rows whatever the layout of x, on which the order of summation, so the last digit, depends.
    step, change = np.zeros(x.shape), np.zeros(x.shape)
    gained = np.zeros(len(active), dtype=bool)
    rows, places, ahead = active, np.arange(len(active)), direction
    length = np.ones((len(active), 1))
    for _ in range(_TRIES):
        old = x[rows]
        new = np.minimum(np.maximum(old + length * ahead, lower), upper)
        delta = new - old
        slope = (gradient[rows] * delta).sum(axis=1)
        new_value, new_gradient = function(new, rows)
        with np.errstate(invalid="ignore"):
            rise = new_value - value[rows]
            good = rise <= _SUFFICIENT * slope
        accepted = rows[good]
        gained[places[good]] = -rise[good] > value_tolerance
        step[accepted] = delta[good]
        change[accepted] = new_gradient[good] - gradient[accepted]
        x[accepted], value[accepted] = new[good], new_value[good]
        gradient[accepted] = new_gradient[good]
        waiting = ~good
        if not waiting.any():
            break
        # The minimum of the parabola through both values and the slope, kept within reason; as
        # little as possible where the function is infinite.
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            factor = np.fmin(np.fmax(-slope / (2 * (rise - slope)), 0.1), 0.5)
        length = (length * factor[:, None])[waiting]
        rows, places, ahead = rows[waiting], places[waiting], ahead[waiting]
    return gained, step, change
