"""What memory there is, who gets it, and what a request takes of it."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suggestion.api import footprint
from suggestion.api.http.transcoding import as_json, write
from suggestion.api.service import Call
from suggestion.api.v1beta1 import api_pb2 as api
from suggestion.api.v1beta1.suggestion_service import SuggestionService
from suggestion.engine.algorithm import algorithms
from suggestion.problem.deadline import NEVER
from suggestion.problem.errors import Invalid
from suggestion.server.compression import Malformed, TooLong, decompress, is_compressed
from suggestion.server.execution import Threads
from suggestion.server.memory import MIB, MeasuredCapacity, Pool, Unsent, capacity, container_limit
from suggestion.server.workers import Workers
from tests.support.requests import ask_for, double, experiment, trial

# ------------------------------------------------------------------------- limits


def _files(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("lines", "files", "limit"),
    [
        (["0::/"], {"memory.max": "104857600\n"}, 100 * MIB),
        (["0::/a/b"], {"a/memory.max": "7\n", "a/b/memory.max": "max\n"}, 7),
        # The path is that of the host, the files are those of the container.
        (["0::/kubepods/pod1/c"], {"memory.max": "5"}, 5),
        (["0::/"], {"memory.max": "max"}, None),
        (["9:memory:/x", "0::/"], {"memory/x/memory.limit_in_bytes": "9"}, 9),
        (["9:cpu,memory:/docker/c"], {"memory/memory.limit_in_bytes": "8"}, 8),
        (["9:memory:/"], {"memory/memory.limit_in_bytes": "9223372036854771712"}, None),
        (["9:cpu:/x"], {}, None),
        ([], {}, None),
    ],
)
def test_the_limit_of_a_container(
    tmp_path: Path, lines: list[str], files: dict[str, str], limit: int | None
) -> None:
    assert container_limit(lines, _files(tmp_path, files)) == limit


@given(st.integers(0, 2**40), st.integers(MIB, 1000 * MIB))
def test_the_capacity_fits_into_the_memory(memory: int, message: int) -> None:
    made = capacity(memory, message)
    assert 0 < made.message <= message
    assert 6 * made.message <= made.computed, "the largest request can be computed"
    assert 2 * made.received <= made.read, "one can be read while another waits"
    if memory >= 100 * MIB:
        assert made.computed + made.read + made.received + made.message <= memory - 40 * MIB


@pytest.mark.parametrize(
    "values",
    [
        {f"hyperparameter-{k}": repr(0.1 + k / 7) for k in range(10)},
        {f"{k}": repr(0.1 + k / 7) if k < 10 else "8" for k in range(20)},
    ],
    ids=["long", "short"],
)
def test_an_honest_request_fits_into_100_mib(values: dict[str, str]) -> None:
    trials = [trial(f"experiment-{k:06}", values, repr(k / 7)) for k in range(10_000)]
    raw = ask_for(experiment(), 1, 10_001, trials).SerializeToString()
    made = capacity(100 * MIB, 64 * MIB)
    assert len(raw) <= made.message
    assert footprint.of_protobuf(raw) <= made.computed
    assert "give it more memory than 100 MiB" in made.advice


FLAT = ",".join(["1"] * 20_000)
KEYS = ",".join(f'"p{k}":1' for k in range(10_000))
POINTS = json.dumps([{f"x{p}": k / 200 for p in range(50)} for k in range(200)])
COLUMN = [k / 1000 for k in range(1000)]
EARLIER = json.dumps({"e": {"parameters": {f"x{p}": COLUMN for p in range(10)}, "values": COLUMN}})


@pytest.mark.parametrize("over_http", [False, True])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("initial_points", f"[{'[],' * 20_000}[]]"),
        ("initial_points", f"[{'{},' * 20_000}[]]"),
        ("initial_points", f"[{FLAT}]"),
        ("initial_points", f"[{{{KEYS}}}]"),
        ("initial_points", POINTS),
        ("prior_trials", EARLIER),
        ("prior_trials", f'{{"e": {{{KEYS}}}}}'),
        ("prior_trials", f'{{"e": {{"values": [{FLAT.replace("1", "1e9")}]}}}}'),
    ],
    ids=["lists", "objects", "numbers", "names", "points", "trials", "parts", "values"],
)
def test_what_json_in_a_setting_takes_is_estimated(name: str, text: str, over_http: bool) -> None:
    specs = [double(f"x{p}", "0", "1") for p in range(50)]
    message = experiment("random", specs, settings={name: text})  # no model takes memory
    rpc = SuggestionService(algorithms()).rpcs["GetSuggestions"]
    raw = ask_for(message).SerializeToString()
    if over_http:
        raw, rpc = write(ask_for(message)), as_json(rpc, api.GetSuggestionsReply)
    parse = rpc.parse or rpc.request.FromString
    with suppress(Invalid):
        rpc.handle(parse(raw), Call(NEVER))  # what is imported, and regions that are kept
    tracemalloc.start()
    try:
        with suppress(Invalid):
            rpc.handle(parse(raw), Call(NEVER))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < rpc.footprint(raw) + MIB


def _field(number: int, content: bytes) -> bytes:
    length = len(content)
    return bytes([number << 3 | 2, length & 127 | 128, length >> 7]) + content


@pytest.mark.parametrize("order", [(1, 2), (2, 1), (1, 3, 2), (3, 1, 2), (2, 3, 1, 3)])
def test_the_order_of_the_parts_of_a_setting_hides_nothing(order: Sequence[int]) -> None:
    text = f"[{','.join('1' * 1000)}]".encode()
    parts = {1: _field(1, b"initial_points"), 2: _field(2, text), 3: _field(2, b"")}
    setting = b"".join(parts[each] for each in order)
    algorithm = b"".join(_field(2, each) for each in (setting, _field(1, b"x") + _field(2, b",")))
    spec = _field(3, algorithm)  # with commas that are no values
    raw = _field(1, _field(1, b",,,") + _field(2, spec)) + _field(2, _field(1, b"," * 5000))
    spec_read = api.GetSuggestionsRequest.FromString(raw).experiment.spec
    assert [each.name for each in spec_read.algorithm.algorithm_settings] == ["initial_points", "x"]
    plain = footprint.of_protobuf(raw)
    assert footprint.of_protobuf(raw, [b"initial_points"]) == plain + 256 * 999


def test_escapes_hide_nothing() -> None:
    plain = write(ask_for(experiment("random", settings={"initial_points": "[[1,2],{}]"})))
    names = [b"initial_points"]
    least = footprint.of_json(plain, names)
    for text in (b"initial_points", b"[1,2]", b"{}"):
        escaped = b"".join(b"\\u%04x" % byte for byte in text)
        assert text in plain
        raw = plain.replace(text, escaped)
        assert json.loads(raw) == json.loads(plain)
        assert footprint.of_json(raw, names) >= least
    trials = write(ask_for(experiment("random"), 1, 3, [trial("é<", {"x": "1"}, "1")]))
    assert footprint.of_json(trials, names) == footprint.of_json(trials)


@given(st.binary(max_size=300))
def test_whatever_follows_the_name_of_a_setting_is_estimated(data: bytes) -> None:
    raw = b",," + data.join([b"initial_points"] * 3) + data
    plain = footprint.of_protobuf(raw)
    assert plain <= footprint.of_protobuf(raw, [b"initial_points"]) <= plain + 256 * raw.count(b",")


def test_more_trials_than_can_be_read_in_time_are_refused() -> None:
    request = ask_for(experiment(), 1, 100_002)
    request.trials.extend([api.Trial()] * 100_001)
    with pytest.raises(Invalid, match="must hold at most 100000, got 100001"):
        SuggestionService(algorithms()).get_suggestions(request, Call(NEVER))


def test_the_capacity_follows_the_memory() -> None:
    memory = [1000 * MIB]
    measured = MeasuredCapacity(64 * MIB, None, lambda: memory[0])
    assert measured.now.message == 64 * MIB
    memory[0] = 100 * MIB
    measured._measured -= 1  # a second later
    assert measured.now.message < 8 * MIB


# ------------------------------------------------------------------ compression


@given(st.binary(max_size=2000), st.booleans())
def test_what_was_compressed_comes_back(data: bytes, deflate: bool) -> None:
    packed = zlib.compress(data) if deflate else gzip.compress(data)
    assert is_compressed(packed)
    assert decompress(packed, max(len(data), 1)) == data
    if data:
        with pytest.raises(TooLong):
            decompress(packed, len(data) - 1)


@given(st.binary(max_size=200))
def test_whatever_looks_compressed_is_refused_or_left(data: bytes) -> None:
    assert decompress(b"x\x9c" + data, MIB) is not None
    with suppress(Malformed):
        decompress(b"\x1f\x8b" + data, MIB)


# -------------------------------------------------------------------------- pools


def test_memory_is_given_in_the_order_of_arrival() -> None:
    async def scenario() -> None:
        pool = Pool(10)
        first = await pool.reserve(6)
        big = asyncio.ensure_future(pool.reserve(8))
        small = asyncio.ensure_future(pool.reserve(1))
        gone = asyncio.ensure_future(pool.reserve(1))
        await asyncio.sleep(0)
        assert pool.contended
        gone.cancel()
        first.shrink(3)
        await asyncio.sleep(0)
        assert not big.done()
        first.release()
        first.release()
        (await big).release()
        (await small).release()
        huge = await pool.reserve(11)
        assert not pool.fits(1), "alone, and longer than the pool"
        huge.release()
        assert pool.fits(10)

    asyncio.run(scenario())


def test_a_reservation_that_is_cancelled_when_its_turn_comes() -> None:
    async def scenario() -> None:
        pool = Pool(10)
        first = await pool.reserve(10)
        gone = asyncio.ensure_future(pool.reserve(1))
        await asyncio.sleep(0)
        gone.cancel()
        first.release()  # serves the queue before the cancelled task has run
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert pool.fits(10)

    asyncio.run(scenario())


def test_calls_that_wait_in_vain_are_noticed() -> None:
    async def scenario() -> None:
        workers = Workers(1, Threads(2))
        assert not workers.stuck(0)
        with workers.waiting():
            assert not workers.stuck(60)
            await asyncio.sleep(0.01)
            assert workers.stuck(0.001)
        assert not workers.stuck(0)

    asyncio.run(scenario())


LISTED = api.ParameterSpec(name="listed", parameter_type=api.CATEGORICAL)
LISTED.feasible_space.list.extend(("a" * 3000, "b"))
SPACES = [[double(f"p{k}", "0", "1") for k in range(20)], [LISTED], [LISTED, double("x", "0", "1")]]


@pytest.mark.parametrize("count", [1, 20, 900])
@pytest.mark.parametrize("specs", SPACES, ids=["many", "long", "both"])
def test_a_reply_is_estimated_before_it_is_made(
    specs: Sequence[api.ParameterSpec], count: int
) -> None:
    """Requests of a few bytes for replies of megabytes took a server of 100 MiB past its limit."""
    service = SuggestionService(algorithms())
    trials = [trial(f"t{k}", {"x": "0.5"}, "1") for k in range(3)]
    request = ask_for(experiment("random", specs), count, 0, trials)
    raw = request.SerializeToString()
    size = service.get_suggestions(request, Call(NEVER)).ByteSize()
    assert 3 * size < footprint.of_suggestions(raw) < 60 * size + 10_000 * count
    assert footprint.of_suggestions_json(write(request)) > 3 * size
    rpc = service.rpcs["GetSuggestions"]
    assert rpc.footprint(raw) == footprint.of_suggestions(raw) + footprint.of_protobuf(raw)


def test_a_count_is_found_wherever_it_is() -> None:
    large, small = ask_for(experiment("random"), 9_999), ask_for(experiment("random"), 1)
    parts = [each.SerializeToString() for each in (large, small)]
    trials = api.GetSuggestionsRequest(trials=[api.Trial(name="x" * n) for n in (1, 200, 20_000)])
    between = trials.SerializeToString()
    for order, count in ((parts, 1), (parts[::-1], 9_999)):
        raw = between.join((b"", *order, b""))
        assert api.GetSuggestionsRequest.FromString(raw).current_request_number == count
        once = footprint.of_suggestions(parts[count == 1])
        assert footprint.of_suggestions(raw) == min(2 * once, 32 * MIB)
        assert footprint.of_suggestions(between + raw[:-1]) >= footprint.of_suggestions(raw)
    text = write(large)
    assert footprint.of_suggestions_json(text.replace(b"9999", b'"9999"')) == 32 * MIB


@given(st.binary(max_size=200))
def test_any_bytes_have_an_estimate(data: bytes) -> None:
    whole = ask_for(experiment("random"), 3).SerializeToString()
    for raw in (data, whole + data, data + whole):
        assert 0 <= footprint.of_suggestions(raw) <= 32 * MIB
        assert 0 <= footprint.of_suggestions_json(raw) <= 32 * MIB


def test_the_texts_of_a_reply_are_bounded() -> None:
    """4,000 suggestions of one text of 2 MB, a request of 4 MB, ended a server."""
    long = api.ParameterSpec(name="long", parameter_type=api.CATEGORICAL)
    long.feasible_space.list.extend(("a" * 2**20, "b"))
    service = SuggestionService(algorithms())
    for count in (1, 7):
        reply = service.get_suggestions(ask_for(experiment("random", [long]), count), Call(NEVER))
        assert len(reply.parameter_assignments) == count
    with pytest.raises(Invalid, match="at most 7 suggestions of 1 parameters with texts of 1048"):
        service.get_suggestions(ask_for(experiment("random", [long]), 8), Call(NEVER))
    message = experiment("random", [long])
    message.spec.parallel_trial_count = 8
    with pytest.raises(Invalid, match="parallel_trial_count must be at most 7"):
        service.validate_algorithm_settings(
            api.ValidateAlgorithmSettingsRequest(experiment=message), Call(NEVER)
        )


def test_replies_that_nobody_reads_are_bounded() -> None:
    unsent = Unsent(10 * MIB)
    assert not unsent.refusal("a", 11 * MIB), "alone, and longer than all of them may be"
    assert not unsent.refusal("b", 1000), "a small one"
    assert unsent.refusal("c", MIB).startswith("11 MiB of replies wait for their callers")
    for call in ("a", "b", "c"):
        unsent.sent(call)
    assert not unsent.refusal("d", 6 * MIB)
    assert not unsent.refusal("e", 4 * MIB)
    assert unsent.refusal("f", MIB)
