"""Streams that are functions of a seed and an index."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import qmc

from suggestion.numerics import randomness, sampling
from suggestion.numerics.sobol import SOBOL_DIMENSIONS, sobol, sobol_digits
from suggestion.problem.lists import Categorical
from suggestion.problem.numeric import Double, Int
from suggestion.problem.parameters import Array
from suggestion.problem.priors import Distribution
from suggestion.problem.space import SearchSpace


def _finite(prior: Distribution, high: int = 30) -> SearchSpace:
    return SearchSpace((Int("a", 1, high, distribution=prior), Int("b", 0, high - 1)))


# ------------------------------------------------------------------ uniforms


@given(st.integers(0, 10**9), st.integers(1, 40), st.integers(1, 9), st.integers(0, 30))
def test_rows_do_not_depend_on_the_request(start: int, count: int, width: int, k: int) -> None:
    whole = randomness.uniforms(3, start, count + k, width, "s")
    assert (whole[k:] == randomness.uniforms(3, start + k, count, width, "s")).all()
    assert ((whole >= 0) & (whole < 1)).all()


def test_uniforms_are_uniform_and_independent() -> None:
    # Fixed seeds: the p-values are constants, not random numbers.
    sample = randomness.uniforms(11, 0, 50_000, 4)
    for column in range(4):
        assert stats.kstest(sample[:, column], "uniform").pvalue > 1e-3
    assert np.abs(np.corrcoef(sample.T) - np.eye(4)).max() < 0.02
    assert abs(np.corrcoef(sample[:-1, 0], sample[1:, 0])[0, 1]) < 0.02
    others = randomness.uniforms(12, 0, 50_000, 4), randomness.uniforms(11, 0, 50_000, 4, "other")
    for other in others:
        assert np.abs(np.corrcoef(sample[:, 0], other[:, 0])[0, 1]) < 0.02


def test_generators_of_different_streams_differ() -> None:
    streams = [(1,), (2,), (1, "a"), (1, "b"), (1, "a", 1), (1, "a/1"), (1, 11), (11, 1)]
    first = {randomness.generator(*stream).random() for stream in streams}  # type: ignore[arg-type]
    assert len(first) == len(streams)


def test_numbers_are_the_same_in_every_process() -> None:
    code = (
        "import hashlib; from suggestion.numerics import randomness as s; "
        "from suggestion.numerics.sobol import sobol; h = hashlib.sha256();"
        "h.update(s.uniforms(s.seed_of('x'), 5, 100, 7).tobytes());"
        "h.update(sobol(3, 9, 100, 7).tobytes());"
        "h.update(bytes(s.Permutation(200, 1)(i) for i in range(200)));"
        "h.update(s.generator(1, 'x').random(9).tobytes()); print(h.hexdigest())"
    )
    here = hashlib.sha256()
    here.update(randomness.uniforms(randomness.seed_of("x"), 5, 100, 7).tobytes())
    here.update(sobol(3, 9, 100, 7).tobytes())
    here.update(bytes(randomness.Permutation(200, 1)(i) for i in range(200)))
    here.update(randomness.generator(1, "x").random(9).tobytes())
    for hash_seed in ("0", "1"):
        there = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": hash_seed},
        )
        assert there.stdout.strip() == here.hexdigest()


# --------------------------------------------------------------------- Sobol


@pytest.mark.parametrize("dimension", [1, 2, 8, 40, SOBOL_DIMENSIONS])
def test_unscrambled_digits_are_those_of_scipy(dimension: int) -> None:
    expected = qmc.Sobol(dimension, scramble=False, bits=32).random(64)
    assert (sobol_digits(0, 64, dimension) * 2.0**-32 == expected).all()


@given(st.integers(0, 2**20), st.integers(1, 20), st.integers(1, 12))
def test_sobol_points_do_not_depend_on_what_is_asked_for(start: int, count: int, dim: int) -> None:
    whole = sobol(5, start, count + 3, dim)
    assert (whole[3:] == sobol(5, start + 3, count, dim)).all()


@pytest.mark.parametrize("seed", range(5))
def test_scrambling_keeps_the_net(seed: int) -> None:
    points = sobol(seed, 0, 256, 10)
    # Every dyadic interval of each coordinate, and every elementary box of the first two, holds
    # its share exactly: what distinguishes a net from luck.
    for column in range(10):
        assert sorted((points[:, column] * 256).astype(int)) == list(range(256))
    for k in range(9):
        boxes = (points[:, 0] * 2**k).astype(int) * 2 ** (8 - k) + (
            points[:, 1] * 2 ** (8 - k)
        ).astype(int)
        assert sorted(boxes) == list(range(256))


def test_scrambling_is_uniform_over_seeds() -> None:
    first = np.array([sobol(seed, 0, 2, 3) for seed in range(500)])
    for point in range(2):
        for column in range(3):
            assert stats.kstest(first[:, point, column], "uniform").pvalue > 1e-4


def test_sobol_integrates_better_than_random() -> None:
    def error(points: Array) -> float:
        return abs(float(np.prod(1 + (points - 0.5), axis=1).mean()) - 1)

    ours = np.median([error(sobol(seed, 0, 256, 5)) for seed in range(20)])
    theirs = np.median([error(randomness.uniforms(seed, 0, 256, 5)) for seed in range(20)])
    scipys = np.median([error(qmc.Sobol(5, rng=seed).random(256)) for seed in range(20)])
    assert ours < theirs / 5
    assert ours < 2 * scipys


def test_sobol_names_its_limit() -> None:
    with pytest.raises(ValueError, match="at most 1024 dimensions, got 1025"):
        sobol(1, 0, 1, 1025)


# --------------------------------------------------------------- permutations


@pytest.mark.parametrize("size", [1, 2, 3, 6, 100, 2**16, 2**16 + 1, 70_000])
def test_a_permutation_has_every_element_once(size: int) -> None:
    order = randomness.Permutation(size, 7)
    assert sorted(order(index) for index in range(size)) == list(range(size))


def test_a_large_permutation_is_not_stored_and_looks_random() -> None:
    size = 10**30
    order = randomness.Permutation(size, 7)
    drawn = [order(index) for index in range(2000)]
    assert len(set(drawn)) == 2000
    assert stats.kstest([d / size for d in drawn], "uniform").pvalue > 1e-3
    assert [randomness.Permutation(size, 8)(index) for index in range(2000)] != drawn


# ------------------------------------------------------- streams without repeats


@pytest.mark.parametrize("prior", list(Distribution))
def test_independent_draws_cover_a_finite_space_before_they_repeat(prior: Distribution) -> None:
    space = _finite(prior)
    drawn = sampling.independent(space, 1, 0, 2000)
    keys = [space.key(a) for a in drawn]
    assert len(set(keys[:900])) == 900
    assert keys[900:1800] == keys[:900]
    for start in (0, 5, 890, 899, 900, 1795):
        assert sampling.independent(space, 1, start, 20) == drawn[start : start + 20]


def test_a_large_finite_space_does_not_repeat_either() -> None:
    space = _finite(Distribution.LOG_NORMAL, high=300)
    drawn = sampling.independent(space, 1, 0, 3000)
    assert len({space.key(a) for a in drawn}) == 3000
    assert sampling.independent(space, 1, 2990, 10) == drawn[2990:]


def test_draws_without_replacement_start_with_the_probable() -> None:
    space = SearchSpace((Int("a", 1, 1000, distribution=Distribution.LOG_UNIFORM),))
    small = [
        sum(a["a"] <= 31 for a in sampling.independent(space, seed, 0, 10))  # type: ignore[operator]
        for seed in range(200)
    ]
    # Half of the mass lies at or below sqrt(1000); without replacement slightly less is drawn.
    assert 0.4 < np.mean(small) / 10 < 0.55


def test_a_stream_without_repeats_is_its_own_prefix() -> None:
    space = _finite(Distribution.UNIFORM)

    def draw(first: int, number: int) -> Array:
        return sobol(3, first, number, 2)

    whole = sampling.distinct(space, draw, 3, 0, 2000)
    assert len({space.key(a) for a in whole[:900]}) == 900
    for start, count in ((0, 1), (1, 1), (63, 3), (880, 40), (1799, 2)):
        assert sampling.distinct(space, draw, 3, start, count) == whole[start : start + count]


RANGES = [("1e-5", "1"), ("1", "1.0000001"), ("-3e8", "7"), ("0.1", "0.3"), ("1e-300", "1e300")]


@given(
    st.sampled_from([*Distribution]),
    st.sampled_from(RANGES),
    st.integers(0, 2**32),
    st.sampled_from([0.0, 1e-11, 3e-10, 1e-9, 5e-9]),
    st.integers(0, 60),
    st.integers(1, 60),
)
def test_a_stream_of_decimals_leaves_out_repetitions(
    prior: Distribution, ends: tuple[str, str], seed: int, spread: float, start: int, count: int
) -> None:
    """As a walk through all points from the first would, also where many are all but the same."""
    if prior.is_log and float(ends[0]) <= 0:
        return
    space = SearchSpace((Int("n", 1, 2), Double("x", *ends, distribution=prior)))

    def draw(first: int, number: int) -> Array:
        near = randomness.uniforms(seed, first, number, 3)
        middle = np.floor(near[:, 1] * 40) / 39
        return np.column_stack([near[:, 0], np.clip(middle + spread * near[:, 2], 0, 1)])

    points = {space.key(a): a for a in space.decode(draw(0, 2000))}
    if len(points) < start + count:
        return
    expected = list(points.values())[start : start + count]
    assert sampling.distinct(space, draw, seed, start, count) == expected


# -------------------------------------------------------------------- visited


def test_unvisited_finds_the_last_points_and_then_begins_anew() -> None:
    space = SearchSpace((Int("a", 0, 9), Categorical("b", ("x", "y"))))
    visited = sampling.Visited(space)
    seen = []
    for index in range(40):
        assert visited.used_up == (index in (20,))
        point = visited.unvisited(1, index)
        visited.add(point)
        seen.append(space.key(point))
    assert len(set(seen[:20])) == 20
    assert len(set(seen[20:])) == 20


def test_unvisited_on_a_continuum() -> None:
    space = SearchSpace((Double("x", 0, 1),))
    visited = sampling.Visited(space, [{"x": 0.5}])
    assert not visited.used_up
    assert visited.unvisited(1, 0) == visited.unvisited(1, 0)
    assert visited.unvisited(1, 0) != visited.unvisited(1, 1)
