"""What the charts of the page draw, against the CSV of the same experiment."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from suggestion.cli.main import main
from suggestion.controller.observation import Series
from suggestion.controller.store import Store
from suggestion.controller.trials import Condition
from suggestion.views import plot
from tests.web import browser as pages
from tests.web.support import experiment, store, trial
from tests.web.test_reading import two

browser = pages.browser
pytestmark = pages.marks
#: Axes reach so far from 0.
FAR = 1e307
DRAWN = """() => Object.fromEntries([...document.querySelectorAll('section.card')].map((card) => [
  card.id, [...card.querySelectorAll('figure.chart')].map((figure) => ({
    note: figure.innerText, series: figure.querySelector('.canvas').chart.getOption().series.map(
      ({ name, id, data }) => ({ name, id, data: data.map((one) => one.value ?? one) })) }))]))"""
Row = dict[str, str]


def number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def listed(folder: Path) -> list[Row]:
    done = CliRunner().invoke(main, ["trials", str(folder), "--csv"])
    assert done.exit_code == 0
    return list(csv.DictReader(io.StringIO(done.output)))


def points(chart: Any, *names: str) -> dict[int, list[Any]]:
    """Return the points of a chart by the number of their trial."""
    series = [one for one in chart["series"] if not names or one["name"] in names]
    return {point[-1]: point[:-1] for one in series for point in one["data"]}


def compare(drawn: Any, rows: list[Row], metric: str, parameters: list[dict[str, Any]]) -> None:
    """Fail if a chart shows a value that the CSV lacks, or lacks one without saying so."""
    judged = [row for row in rows if row["condition"] in ("Succeeded", "EarlyStopped")]
    losses = {int(row["number"]): number(row[metric]) for row in judged}
    known = {n: value for n, value in losses.items() if value is not None}
    (best,) = drawn["best"]
    spread = list(known.values())
    log = min(spread) > 0 and max(spread) / min(spread) >= 100

    def edge(value: float) -> float:
        return value if log else min(max(value, -FAR), FAR)

    names = ("other", "trial", "infeasible", "beyond", "best")
    assert points(best, *names) == {n: [n, edge(value)] for n, value in known.items()}
    beyond = sum(edge(value) != value for value in known.values())
    assert (f"{beyond} trial" in best["note"]) == (beyond > 0)
    ended = [row for row in rows if row["condition"] not in ("Created", "Running")]
    without = sum(int(row["number"]) not in known for row in ended)
    assert (f"{without} without a value" in best["note"]) == (without > 0)
    assert len(drawn["slices"]) == len(parameters)
    for declared, chart in zip(parameters, drawn["slices"], strict=True):
        name, feasible = declared["name"], declared["feasibleSpace"]
        categories = feasible["list"] if declared["parameterType"] == "categorical" else None
        wanted: dict[int, list[float]] = {}
        for row in rows:
            if (loss := known.get(int(row["number"]))) is None or not row[name]:
                continue
            at = categories.index(row[name]) if categories else float(row[name])
            if feasible.get("distribution") or abs(at) <= FAR:
                wanted[int(row["number"])] = [at, edge(loss)]
        assert points(chart) == wanted, name
        lacking = len(known) - len(wanted)
        assert (f"{lacking} trial" in chart["note"]) == (lacking > 0)
    lines = [line for chart in drawn["parallel"] for line in chart["series"][0]["data"]]
    assert len(lines) == len(known)
    ends = sorted(value for value in known.values() if log or abs(value) <= FAR)
    assert sorted(line[-1] for line in lines if line[-1] != "-") == ends
    begun = [row for row in rows if row["started"]]
    assert {bar[-1] for bar in drawn["timeline"][0]["series"][0]["data"]} == {
        int(row["number"]) for row in begun
    }


def seen(browser: Any, folder: Path) -> Any:
    file = folder / "page.html"
    file.write_text(plot.page(folder), encoding="utf-8")
    with pages.tab(browser, viewport={"width": 1280, "height": 900}) as page:
        page.goto(file.as_uri())
        pages.see_all(page)
        return page.evaluate(DRAWN)


def test_every_value_is_drawn_or_said_to_be_left_out(browser: Any, tmp_path: Path) -> None:
    """Values of both ends of the floats too, whose difference is none."""
    parameters = [
        {"name": "x", "parameterType": "double",
         "feasibleSpace": {"min": "-1e308", "max": "1e308"}},
        {"name": "y", "parameterType": "double",
         "feasibleSpace": {"min": "1e-300", "max": "1e300", "distribution": "logUniform"}},
        {"name": "kind", "parameterType": "categorical", "feasibleSpace": {"list": ["a", "b"]}},
    ]  # fmt: skip
    texts = ["-1e308", "1e308", "0.1", "-3", "0", "nan", "inf", "1e-320", None, "2.5", "7"]
    trials = []
    for n, text in enumerate(texts):
        series = {} if text is None else {"loss": Series(text, text, text, 2)}
        one = trial(n, None if text is None else 1.0, series=series)
        values = {"x": ["-1e308", "0.25", "9e307"][n % 3], "y": f"1e{60 * (n % 9 - 4)}", "kind": "ab"[n % 2]}  # fmt: skip  # noqa: E501
        trials.append(replace(one, assignment=values))
    trials[9] = replace(trials[9], condition=Condition.RUNNING, completed="")
    folder = store(tmp_path / "far", experiment("far", parameters=parameters), trials)
    rows = listed(folder)
    assert len(rows) == len(texts)
    drawn = seen(browser, folder)
    compare(drawn, rows, "loss", parameters)
    opened = Store(folder)
    try:
        reports = {n: opened.reports(n) for n in range(len(texts))}
    finally:
        opened.close()
    curves = {one["id"]: one["data"] for one in drawn["curves"][0]["series"]}
    curves.pop("thresholds")
    assert curves == {
        str(n): [[place + 1, value] for place, each in enumerate(of)
                 if (value := number(each.value)) is not None]
        for n, of in reports.items() if of
    }  # fmt: skip
    assert "2 reports are not drawn" in drawn["curves"][0]["note"]


def test_the_trade_off_is_that_of_the_csv(browser: Any, tmp_path: Path) -> None:
    folder = two(tmp_path / "two")
    (chart,) = seen(browser, folder)["front"]
    rows = listed(folder)
    wanted = {int(row["number"]): [float(row["loss"]), float(row["latency"])] for row in rows}
    assert points(chart, "trade-off", "other trials", "infeasible") == wanted
    (broken,) = points(chart, "infeasible")
    assert [row["number"] for row in rows if row["feasible"] == "false"] == [str(broken)]
