"""What ``suggest serve`` starts for which names, and where it listens."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from suggestion.api.addresses import port_below
from suggestion.cli.main import main
from suggestion.client.launch import LocalServer
from suggestion.earlystopping.rule import rules
from suggestion.engine.algorithm import Unavailable, algorithms
from suggestion.server.services import providers, select
from tests.support.servers import serving

ALGORITHMS = algorithms().names


def chosen(*names: str) -> tuple[tuple[str, ...], list[str]]:
    """Algorithms, and names of all else, that are started."""
    made = select(names, ALGORITHMS)
    return made.algorithms, [name for each in made.services for name in each.names]


def banners(*arguments: str, cwd: Path | None = None, **environment: str) -> list[str]:
    """What a server prints while it runs."""
    with LocalServer(arguments, env=environment, address=None, cwd=cwd) as server:
        server.process.terminate()
        server.process.wait(60)
        return [f"serving {', '.join(names)} on {address}" for names, address in server.banners()]


def test_without_names_everything_but_what_keeps_data() -> None:
    assert chosen() == (ALGORITHMS, list(rules()))
    assert {name for provider in providers() for name in provider.names} == {*rules(), "dbmanager"}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("random",), (("random",), [])),
        (("random", "random", "grid"), (("random", "grid"), [])),
        (("medianstop",), ((), ["medianstop"])),
        (("dbmanager",), ((), ["dbmanager"])),
        # A bare name that an algorithm has is that of the algorithm.
        (("asha",), (("asha",), [])),
        (("earlystopping/asha",), ((), ["asha"])),
        (("earlystopping/asha", "asha"), (("asha",), ["asha"])),
        (("earlystopping/medianstop", "medianstop"), ((), ["medianstop"])),
        (
            ("percentilestop", "dbmanager", "sobol", "medianstop"),
            (("sobol",), ["dbmanager", "percentilestop", "medianstop"]),
        ),
    ],
)
def test_names_choose(names: tuple[str, ...], expected: tuple[tuple[str, ...], list[str]]) -> None:
    assert chosen(*names) == expected


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("medianstopp", "medianstop"),
        ("db-manager", "dbmanager"),
        ("rando", "random"),
        ("earlystopping/ash", "earlystopping/asha"),
        ("earlystopping/random", "earlystopping/hyperband"),
    ],
)
def test_unknown_names_are_refused_with_the_closest(name: str, close: str) -> None:
    with pytest.raises(
        Unavailable, match=f"nothing called '{name}' can be served; .* mean '{close}'"
    ):
        select(["random", name], ALGORITHMS)
    with pytest.raises(click.UsageError, match=f"did you mean '{close}'"):
        main(["serve", name], standalone_mode=False)


@pytest.mark.parametrize(
    ("address", "below"),
    [
        ("127.0.0.1:6789", "127.0.0.1:6788"),
        ("[::]:6789", "[::]:6788"),
        ("0.0.0.0:0", "0.0.0.0:0"),
        ("unix:/run/suggest", "unix:/run/suggest.early-stopping"),
    ],
)
def test_early_stopping_listens_below(address: str, below: str) -> None:
    assert port_below(address) == below


def test_each_service_says_where_it_listens() -> None:
    first, second = banners("--address", "127.0.0.1:0")
    assert first.startswith(f"serving {', '.join(ALGORITHMS)} on 127.0.0.1:")
    rules_shown = "earlystopping/asha, earlystopping/hyperband, medianstop, percentilestop"
    assert second.startswith(f"serving {rules_shown} on 127.0.0.1:")
    assert first.split()[-1] != second.split()[-1]


def test_early_stopping_alone_takes_either_address(tmp_path: Path) -> None:
    for option in ("--address", "--early-stopping-address"):
        (line,) = banners("medianstop", option, f"unix:{tmp_path / option}")
        assert line == f"serving medianstop on unix:{tmp_path / option}"


def test_options_come_from_the_environment(tmp_path: Path) -> None:
    lines = banners(
        *("dbmanager", "medianstop"),
        SUGGEST_ADDRESS="127.0.0.1:0",
        SUGGEST_EARLY_STOPPING_ADDRESS=f"unix:{tmp_path / 'socket'}",
        SUGGEST_DATABASE=f"sqlite:///{tmp_path / 'kept.db'}",
    )
    assert lines[0].startswith("serving dbmanager on 127.0.0.1:")
    assert lines[1] == f"serving medianstop on unix:{tmp_path / 'socket'}"
    assert (tmp_path / "kept.db").exists()


def test_without_a_cluster_rules_need_no_database_to_start(tmp_path: Path) -> None:
    banners("medianstop", "--address", "127.0.0.1:0", cwd=tmp_path, KUBERNETES_SERVICE_HOST="")
    assert list(tmp_path.iterdir()) == []


def test_an_algorithm_alone_loads_nothing_else() -> None:
    with serving("random", PYTHONPROFILEIMPORTTIME="1") as server:
        _, log = server.stop()
    assert "| suggestion.algorithms.random" in log.replace("  ", "")
    for name in ("suggestion.earlystopping", "suggestion.observations", "sqlalchemy", "kubernetes"):
        assert f"| {name}" not in log.replace("  ", "")
