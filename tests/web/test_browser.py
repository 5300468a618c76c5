"""The page in a real browser: as a file, by keyboard, small, dark, and with hostile texts."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from suggestion.artifacts import keeper, places
from suggestion.cli.main import main
from suggestion.controller import objectives
from suggestion.controller.observation import Series
from suggestion.controller.trials import Condition
from suggestion.controller.workspace import artifacts_folder
from suggestion.views import plot
from tests.web import browser as tabs
from tests.web.browser import expect, leave, open_trial, see, see_all, tab, violations, visit
from tests.web.support import PARAMETERS, experiment, serving, store, trial
from tests.web.test_reading import two

browser = tabs.browser
pytestmark = tabs.marks
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "\u202ethgir",
    "x" * 10_000,
    "constructor",
]


def hostile(folder: Path) -> Path:
    """An experiment whose every text is against the page."""
    space = [
        {"name": name, "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}
        for name in HOSTILE[:4]
    ]
    space.append(
        {"name": "kind", "parameterType": "categorical", "feasibleSpace": {"list": HOSTILE}}
    )
    objective = {"type": "minimize", "objectiveMetricName": HOSTILE[0]}
    made = experiment("hostile", parameters=space, objective=objective)
    trials = []
    for number in range(30):
        values = dict.fromkeys(HOSTILE[:4], f"0.{number + 11}")
        value = str(number % 7 + 0.12345678)
        one = trial(number, 1.0, series={HOSTILE[0]: Series(value, value, value, 1)})
        values["kind"] = HOSTILE[number % 5]
        trials.append(replace(one, assignment=values, reason=HOSTILE[number % 5]))
    return store(folder, made, trials, reports=False)


def listed(page: Any) -> Any:
    """How many trials the table has."""
    return page.locator("#trials").get_by_role("status")


#: How many trials a chart has drawn between two corners, in pixels.
WITHIN = """(canvas, [left, top, right, bottom]) => {
  const { chart } = canvas;
  const points = chart.getOption().series.filter(({ type }) => type === 'scatter')
    .flatMap(({ data }) => data).map((one) => one.value ?? one);
  return new Set(points.filter((point) => {
    const [x, y] = chart.convertToPixel({ gridIndex: 0 }, point.slice(0, 2));
    return left <= x && x <= right && top <= y && y <= bottom;
  }).map((point) => point.at(-1))).size; }"""


@pytest.mark.parametrize(
    ("width", "height", "scheme"),
    [(360, 740, "dark"), (1280, 900, "light"), (3840, 2160, "dark")],
)
def test_the_page_as_a_file(
    browser: Any, tmp_path: Path, width: int, height: int, scheme: str
) -> None:
    """It needs no network, fits, shows texts as texts, and axe finds nothing against it."""
    file = tmp_path / "page.html"
    file.write_text(plot.page(hostile(tmp_path / "hostile")), encoding="utf-8")
    size = {"width": width, "height": height}
    with tab(browser, viewport=size, color_scheme=scheme) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(file.as_uri())
        see_all(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator(".winner").inner_text().startswith("best <img src=x onerror=alert(1)>")
        assert page.locator(".winner button").inner_text() == "0.12346"
        assert page.locator(".winner button").get_attribute("title") == "0.12345678"
        assert violations(page) == []
        # What is shown beside the pointer, of the longest bar, is no wider than the page.
        timeline = page.locator("#timeline .canvas")
        box = timeline.bounding_box()
        timeline.hover(position={"x": 0.4 * box["width"], "y": 0.7 * box["height"]})
        timeline.get_by_text("<img src=x onerror=alert(1)> =").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.locator("tr[data-trial='29']").focus()
        page.keyboard.press("End")
        page.locator("tr[data-trial='0']:focus").wait_for()
        page.keyboard.press("Home")
        page.locator("tr[data-trial='29']:focus").wait_for()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(page.locator("dialog[open] h2")).to_have_text("Trial 28")
        assert violations(page) == []
        leave(page)
        assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.mark.parametrize("count", [0, 1])
def test_a_page_with_nothing_on_it(browser: Any, tmp_path: Path, count: int) -> None:
    trials = [trial(number, 0.5) for number in range(count)]
    folder = store(tmp_path / "small", experiment("<b>&"), trials)
    file = tmp_path / "page.html"
    file.write_text(plot.page(folder), encoding="utf-8")
    with tab(browser) as page:
        page.goto(file.as_uri())
        expect(page.locator("h1")).to_have_text("<b>&")
        see_all(page)
        expect(page.locator("tr[data-trial]")).to_have_count(count)
        assert violations(page) == []


def test_what_stops_trials_is_on_the_page(browser: Any, tmp_path: Path) -> None:
    """As rules are stored: with numbers, and the first one of a rung that is not full."""
    all_pass = ["loss", sys.float_info.max, "greater", 1]
    trials = [
        replace(trial(0, 0.5), rules=[all_pass]),
        replace(
            trial(1, 0.7, condition=Condition.EARLY_STOPPED),
            rules=[all_pass],
            watch={"rules": [["loss", 0.61234567, "greater", 2]]},
        ),
    ]
    file = tmp_path / "page.html"
    folder = store(tmp_path / "stopped", experiment("stopped"), trials)
    file.write_text(plot.page(folder), encoding="utf-8")
    with tab(browser) as page:
        page.goto(file.as_uri())
        see_all(page)
        open_trial(page, 1)
        rule = "if loss is greater than 0.61235 at report 2"
        expect(page.locator("dialog[open]")).to_contain_text(rule)
        leave(page)
        open_trial(page, 0)
        expect(page.locator("dialog[open]")).not_to_contain_text("stopped early")


def test_no_axis_is_cut_without_a_word(browser: Any, tmp_path: Path) -> None:
    trials = [trial(n, value) for n, value in enumerate([0.5, 0.4, 0.6, 0.3, 0.5, 0.45, 0.35, 0.55, 0.94291e3])]  # fmt: skip  # noqa: E501
    folder = store(tmp_path / "far", experiment("far"), trials)
    file = tmp_path / "page.html"
    file.write_text(plot.page(folder), encoding="utf-8")
    with tab(browser) as page:
        page.goto(file.as_uri())
        card = page.locator("#best")
        see(page, card.locator(".canvas"))
        expect(card).not_to_contain_text("beyond the axis")
        expect(card.get_by_role("button", name="log")).to_have_attribute("aria-pressed", "true")
        card.get_by_role("button", name="zoom to most").click()
        said = "1 trial is beyond the axis, 942.91: triangles at its edge."
        expect(card).to_contain_text(said)


def test_a_trade_off_and_a_constraint(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(plot.page(two(tmp_path / "two")), encoding="utf-8")
    with tab(browser) as page:
        page.goto(file.as_uri())
        see_all(page)
        expect(page.locator(".winner")).to_contain_text("best loss 1 by trial 2")
        said = "minimize loss, minimize latency · such that memory ≤ 8"
        expect(page.locator(".head")).to_contain_text(said)
        label = "Trade-off between loss, latency: trials 0, 1, 2"
        expect(page.locator("#front .canvas")).to_have_attribute("aria-label", label)
        expect(page.locator("#front")).to_contain_text("Hollow: infeasible.")
        page.locator("#trials input[type=search]").fill("feasible=no")
        expect(listed(page)).to_have_text("1 of 5 trials")
        page.locator("tr[data-trial='4']").click()
        said = "infeasible: memory must be at most 8"
        expect(page.locator("dialog[open]")).to_contain_text(said)
        assert violations(page) == []


def test_artifacts_and_contours(browser: Any, tmp_path: Path) -> None:
    """Artifacts are downloaded by their exact names; trials on the contours are those selected."""
    space = [
        {"name": name, "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}
        for name in ("x", HOSTILE[0])
    ]
    points = [(f"{n / 20}", f"{n * 7 % 20 / 20}") for n in range(20)]
    trials = [
        replace(trial(n, abs(n - 7.0)), assignment={"x": x, HOSTILE[0]: y})
        for n, (x, y) in enumerate(points)
    ]
    made = store(tmp_path / "runs" / "one", experiment("one", parameters=space), trials)
    left = artifacts_folder(made / "trials" / trials[0].name, 1)
    left.mkdir(parents=True)
    name = f"{HOSTILE[0]} \u202ethgir %2F?#.bin"
    (left / name).write_bytes(b"weights")
    objective = objectives.read(experiment("one").document)
    keeper.Keeper(made, places.place(made), objective).keep(trials[:1], print)
    with serving(tmp_path / "runs") as server, tab(browser) as page:
        visit(page, server.address)
        page.get_by_role("link", name="one", exact=True).click()
        see_all(page)
        chart = page.locator("#contours .canvas")
        up = page.locator("#contours").get_by_label("up")
        for index, name_of_axis in enumerate(("x", HOSTILE[0])):
            up.select_option(index=index)
            label = f"Contours of loss over x and {re.escape(name_of_axis)}, from "
            expect(chart).to_have_attribute("aria-label", re.compile(f"^{label}"))
            see(page, chart)
        # A rectangle within the left half of the contours; the icon that begins it is at the right.
        box = chart.bounding_box()
        x, y, right, bottom = 60, 60, box["width"] / 2, box["height"] - 100
        chart.click(position={"x": box["width"] - 48, "y": 12})
        chart.hover(position={"x": x, "y": y})
        box = chart.bounding_box()
        page.mouse.down()
        page.mouse.move(box["x"] + right, box["y"] + bottom, steps=4)
        page.mouse.up()
        count = chart.evaluate(WITHIN, [x, y, right, bottom])
        assert 3 <= count <= 12
        expect(page.locator(".selection")).to_contain_text(f"{count} of 20 trials selected")
        page.get_by_role("button", name="only selected").click()
        expect(listed(page)).to_have_text(f"{count} of 20 trials")
        page.get_by_role("button", name="only selected").click()
        expect(listed(page)).to_have_text("20 trials")
        open_trial(page, 0)
        link = page.locator("dialog[open]").get_by_role("link", name=name)
        link.wait_for()
        assert violations(page) == []
        with page.expect_download() as waiting:
            link.click()
        assert waiting.value.path().read_bytes() == b"weights"


def test_pictures_for_papers(tmp_path: Path) -> None:
    trials = [trial(n, 1 / (n + 1)) for n in range(9)]
    values = [{"lr": one.assignment["lr"], "kind/é": one.assignment["kind"]} for one in trials]
    trials = [replace(one, assignment=each) for one, each in zip(trials, values, strict=True)]
    space = [PARAMETERS[0], {**PARAMETERS[1], "name": "kind/é"}]
    folder = store(tmp_path / "one", experiment("<é>", parameters=space), trials)

    def run(*words: str) -> Any:
        return CliRunner().invoke(main, ["plot", str(folder), *words])

    svg, png = tmp_path / "best.svg", tmp_path / "best.png"
    done = run("--svg", str(svg))
    assert (done.exit_code, done.output) == (0, f"{svg}\n")
    drawn = ElementTree.fromstring(svg.read_text(encoding="utf-8"))
    assert drawn.get("width") == "900"
    assert {"loss", "best so far"} <= {text.strip() for text in drawn.itertext()}
    done = run("--png", str(png), "--chart", "slice-kind/é")
    assert (done.exit_code, done.output) == (0, f"{png}\n")
    assert png.read_bytes().startswith(b"\x89PNG\r\n")
    assert not (folder / "plot.html").exists()
    done = run("--svg", str(svg), "--chart", "importance")
    assert (done.exit_code, done.output) == (
        1, "Error: --svg: chart 'importance': there is nothing on it yet\n",
    )  # fmt: skip


def test_ten_thousand_trials(browser: Any, tmp_path: Path) -> None:
    trials = [trial(number, 1 / (number + 1)) for number in range(10_000)]
    trials = [replace(one, assignment={"lr": f"{1e-4 * (one.number + 1):.4f}", "kind": "a"})
              for one in trials]  # fmt: skip
    store(tmp_path / "runs" / "large", experiment("large"), trials, reports=False)
    with serving(tmp_path / "runs") as server, tab(browser) as page:
        visit(page, server.address)
        page.get_by_role("link", name="large").click()
        expect(listed(page)).to_have_text("10000 trials")
        assert page.locator("tr[data-trial]").count() < 60
        page.locator("#trials .scroll").evaluate("box => box.scrollTop = box.scrollHeight")
        page.locator("tr[data-trial='0']").wait_for()
        page.locator("#trials input[type=search]").fill("lr<0.0100 #>=50")
        expect(listed(page)).to_have_text("49 of 10000 trials")
        page.get_by_role("button", name="select these").click()
        selection = page.locator(".selection")
        expect(selection).to_contain_text("49 of 10000 trials selected")
        selection.get_by_role("button", name="clear").click()
        expect(selection).to_have_text("")
        # Brush the upper part of the first axis: lr above a number, of all trials, drawn or not.
        expect(page.locator(".later")).to_have_count(0)
        chart = page.locator("#parallel .canvas")
        see(page, chart)
        chart.hover(position={"x": 44, "y": 45})
        box = chart.bounding_box()
        top, bottom = 44, box["height"] - 20
        page.mouse.down()
        page.mouse.move(box["x"] + 44, box["y"] + (top + bottom) / 2, steps=2)
        page.mouse.up()
        # What is brushed is looked for among all trials, drawn or not. The axis has five decades,
        # so that even the pixel above the brush holds some 380 trials.
        high, low = (10 ** (-5 * (y - top) / (bottom - top)) for y in (top + 1, (top + bottom) / 2))
        page.wait_for_function(
            "found => Math.abs(parseInt(document.querySelector('.selection').innerText) - found)"
            " <= 5",
            arg=1e4 * (high - low),
        )
        expect(selection).to_contain_text("of 10000 trials selected")


def test_experiments_side_by_side(browser: Any, tmp_path: Path) -> None:
    """Only experiments with equal files are one line; no more can be chosen than are shown."""
    other = [PARAMETERS[0], {**PARAMETERS[1], "feasibleSpace": {"list": ["b", "a", "c"]}}]
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("one", {}), ("two", {}), ("three", {"algorithm": {"algorithmName": "random"}}),
        ("four", {"parameters": other}), ("five", {}), ("six", {}),
    ]  # fmt: skip
    for name, more in kinds:
        made = experiment(name, **{"algorithm": {"algorithmName": "tpe"}, **more})
        trials = [trial(number, 1 / (number + 1)) for number in range(4 if name == "four" else 8)]
        store(tmp_path / "runs" / name, made, trials)
    with serving(tmp_path / "runs") as server, tab(browser) as page:
        visit(page, server.address)
        for name, _ in kinds[:5]:
            page.get_by_label(f"Compare {name}").check()
        expect(page.get_by_label("Compare six")).to_be_disabled()
        page.get_by_label("Compare five").uncheck()
        page.get_by_role("button", name="compare 4").click()
        page.get_by_role("heading", name="Shared parameters").wait_for()
        see_all(page)
        label = (
            "Best so far of 4 experiments: one 0.125, two 0.125, three 0.125, four 0.25; "
            "lines: tpe (2 runs), three: random, four: tpe"
        )
        expect(page.locator(".canvas").first).to_have_attribute("aria-label", label)
        assert violations(page) == []
