"""The page in a real browser: as a file, live, by keyboard, small, dark, and with hostile texts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from suggestion.views.web import reading
from tests.experiments.support import document, environment, write
from tests.web.support import PARAMETERS, experiment, serving, store, trial
from tests.web.test_reading import two

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "\u202ethgir",
    "x" * 10_000,
    "constructor",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        made = started.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield made
        made.close()


@contextmanager
def tab(browser: Any, **context: Any) -> Iterator[Any]:
    """A tab in which nothing may go wrong, and which asks for nothing but its own server."""
    # Without smooth scrolling: a place that is measured stays where it is.
    made = browser.new_context(reduced_motion="reduce", **context)
    page = made.new_page()
    page.set_default_timeout(60_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))

    def dialog(shown: Any) -> None:
        wrong.append(f"dialog {shown.message}")
        shown.dismiss()

    page.on("dialog", dialog)
    page.on(
        "console",
        lambda message: wrong.append(message.text) if message.type == "error" else None,
    )
    try:
        yield page
        assert not wrong
    finally:
        made.close()


def see_all(page: Any) -> None:
    """Scroll through all cards, so that each draws its chart."""
    page.locator(".later").first.wait_for(state="detached")
    cards = page.locator("section.card")
    for number in range(cards.count()):
        cards.nth(number).scroll_into_view_if_needed()
        chart = cards.nth(number).locator(".canvas").first
        if chart.count():
            chart.scroll_into_view_if_needed()
            chart.locator("canvas").first.wait_for()


def violations(page: Any) -> list[str]:
    found = axe.Axe().run(page).response["violations"]
    return [f"{one['id']}: {[node['html'][:200] for node in one['nodes']]}" for one in found]


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
        page.locator("#timeline .canvas").scroll_into_view_if_needed()
        box = page.locator("#timeline .canvas").bounding_box()
        page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.7 * box["height"])
        page.locator("#timeline .canvas").get_by_text("<img src=x onerror=alert(1)> =").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.locator("tr[data-trial='29']").focus()
        page.keyboard.press("End")
        page.locator("tr[data-trial='0']:focus").wait_for()
        page.keyboard.press("Home")
        page.locator("tr[data-trial='29']:focus").wait_for()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.locator("dialog[open] h2", has_text="Trial 28").wait_for()
        assert violations(page) == []
        page.keyboard.press("Escape")
        page.locator("dialog[open]").wait_for(state="detached")
        assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.mark.parametrize("count", [0, 1])
def test_a_page_with_nothing_on_it(browser: Any, tmp_path: Path, count: int) -> None:
    trials = [trial(number, 0.5) for number in range(count)]
    folder = store(tmp_path / "small", experiment("<b>&"), trials)
    file = tmp_path / "page.html"
    file.write_text(plot.page(folder), encoding="utf-8")
    with tab(browser) as page:
        page.goto(file.as_uri())
        page.locator("h1", has_text="<b>&").wait_for()
        see_all(page)
        assert page.locator("tr[data-trial]").count() == count
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
        page.locator("tr[data-trial='1']").focus()
        page.keyboard.press("Enter")
        page.locator(
            "dialog[open]", has_text="if loss is greater than 0.61235 at report 2"
        ).wait_for()
        page.keyboard.press("Escape")
        page.locator("tr[data-trial='0']").focus()
        page.keyboard.press("Enter")
        page.locator("dialog[open] h2", has_text="Trial 0").wait_for()
        assert "stopped early" not in page.locator("dialog[open]").inner_text()


def test_no_axis_is_cut_without_a_word(browser: Any, tmp_path: Path) -> None:
    trials = [trial(n, value) for n, value in enumerate([0.5, 0.4, 0.6, 0.3, 0.5, 0.45, 0.35, 0.55, 0.94291e3])]  # fmt: skip  # noqa: E501
    folder = store(tmp_path / "far", experiment("far"), trials)
    file = tmp_path / "page.html"
    file.write_text(plot.page(folder), encoding="utf-8")
    with tab(browser) as page:
        page.goto(file.as_uri())
        card = page.locator("#best")
        card.locator("canvas").first.wait_for()
        assert "beyond the axis" not in card.inner_text()
        assert card.locator("button", has_text="log").get_attribute("aria-pressed") == "true"
        card.locator("button", has_text="zoom to most").click()
        page.get_by_text("1 trial is beyond the axis, 942.91: triangles at its edge.").wait_for()


def test_a_trade_off_and_a_constraint(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(plot.page(two(tmp_path / "two")), encoding="utf-8")
    with tab(browser) as page:
        page.goto(file.as_uri())
        see_all(page)
        assert page.locator(".winner").inner_text().startswith("best loss 1 by trial 2")
        assert page.get_by_text(
            "minimize loss, minimize latency · such that memory ≤ 8"
        ).is_visible()
        label = page.locator("#front .canvas").get_attribute("aria-label")
        assert label == "Trade-off between loss, latency: trials 0, 1, 2"
        assert "Hollow: infeasible." in page.locator("#front").inner_text()
        page.locator("#trials input[type=search]").fill("feasible=no")
        page.get_by_role("status").filter(has_text="1 of 5 trials").wait_for()
        page.locator("tr[data-trial='4']").click()
        page.get_by_text("infeasible: memory must be at most 8").wait_for()
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
        page.goto(server.address)
        page.get_by_role("link", name="one").click()
        see_all(page)
        label = page.locator("#contours .canvas").get_attribute("aria-label")
        assert label.startswith(f"Contours of loss over x and {HOSTILE[0]}, from ")
        up = page.locator("#contours select").nth(1)
        up.select_option(index=0)
        page.get_by_role("img", name="Contours of loss over x and x").wait_for()
        up.select_option(index=1)
        # The left half of the contours, without a rectangle that leaves the axes.
        page.locator("#contours .canvas").scroll_into_view_if_needed()
        box = page.locator("#contours .canvas").bounding_box()
        page.mouse.move(box["x"] + box["width"] - 48, box["y"] + 12)
        page.mouse.down()
        page.mouse.up()
        page.mouse.move(box["x"] + 60, box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 100, steps=4)
        page.mouse.up()
        page.get_by_text("of 20 trials selected").wait_for()
        count = int(page.locator(".selection").inner_text().split()[0])
        assert 3 <= count <= 12
        page.get_by_role("button", name="only selected").click()
        page.get_by_role("status").filter(has_text=f"{count} of 20 trials").first.wait_for()
        page.get_by_role("button", name="only selected").click()
        page.locator("tr[data-trial='0']").focus()
        page.keyboard.press("Enter")
        link = page.locator("dialog").get_by_role("link", name=name)
        link.wait_for()
        assert violations(page) == []
        with page.expect_download() as waiting:
            link.click()
        assert waiting.value.path().read_bytes() == b"weights"


def test_pictures_for_papers(tmp_path: Path) -> None:
    folder = store(tmp_path / "one", experiment("<é>"), [trial(n, 1 / (n + 1)) for n in range(9)])

    def run(*words: str) -> Any:
        return CliRunner().invoke(main, ["plot", str(folder), *words])

    svg, png = tmp_path / "best.svg", tmp_path / "best.png"
    done = run("--svg", str(svg), "--png", str(png))
    assert (done.exit_code, done.output) == (0, f"{svg}\n{png}\n")
    drawn = ElementTree.fromstring(svg.read_text(encoding="utf-8"))
    assert drawn.get("width") == "900"
    assert {"loss", "best so far"} <= {text.strip() for text in drawn.itertext()}
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
        page.goto(server.address)
        page.get_by_role("link", name="large").click()
        page.get_by_role("status").filter(has_text="10000 trials").wait_for()
        assert page.locator("tr[data-trial]").count() < 60
        page.locator("#trials .scroll").evaluate("box => box.scrollTop = box.scrollHeight")
        page.locator("tr[data-trial='0']").wait_for()
        page.locator("#trials input[type=search]").fill("lr<0.0100 #>=50")
        page.get_by_role("status").filter(has_text="49 of 10000 trials").wait_for()
        page.get_by_role("button", name="select these").click()
        page.get_by_text("49 of 10000 trials selected").wait_for()
        page.locator(".selection button").click()
        # Brush the upper part of the first axis: lr above a number, of all trials, drawn or not.
        page.locator("#parallel").scroll_into_view_if_needed()
        canvas = page.locator("#parallel canvas").first
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        x, top, bottom = box["x"] + 44, box["y"] + 44, box["y"] + box["height"] - 20
        page.mouse.move(x, top + 1)
        page.mouse.down()
        page.mouse.move(x, (top + bottom) / 2, steps=2)
        page.mouse.up()
        # What is brushed is looked for among all trials, drawn or not. The axis has five decades,
        # so that even the pixel above the brush holds some 380 trials.
        page.get_by_text("of 10000 trials selected").wait_for()
        found = int(page.locator(".selection").inner_text().split()[0])
        high, low = (10 ** (-5 * (y - top) / (bottom - top)) for y in (top + 1, (top + bottom) / 2))
        assert found == pytest.approx(1e4 * (high - low), abs=5)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Start the runner of an experiment whose trials go on as the test lets them."""
    command = (
        "echo hello; for i in 5 4 3; do echo loss=$i; sleep 0.3; done; "
        f"while [ ! -e {tmp_path / 'go'} ]; do sleep 0.1; done; echo loss=${{trialParameters.x}}"
    )
    write(tmp_path, document(command, maxTrialCount="4"))
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "suggestion", "run", str(tmp_path / "experiment.yaml")]
        words += ["--directory", str(tmp_path / "runs" / "study"), "--plain"]
        started.append(
            subprocess.Popen(
                words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True,
                env=environment(), start_new_session=True,
            )
        )  # fmt: skip
        return started[-1]

    yield start
    (tmp_path / "go").touch()
    for process in started:
        process.wait(60)


def confirm(page: Any, button: str, say: str, answer: str) -> None:
    """Ask for something, in the dialog that a button opens; the runner answers."""
    page.get_by_role("button", name=button, exact=True).last.click()
    question = page.locator("dialog.question")
    assert violations(page) == []
    question.get_by_role("button", name=say, exact=True).click()
    question.get_by_text(answer).wait_for()
    question.get_by_role("button", name="close").click()
    question.wait_for(state="detached")


def ask_for_everything(page: Any) -> None:
    """Stop trial 1, enqueue a point, raise maxTrialCount to 5, pause."""
    page.locator("tr[data-trial='1']").click()
    confirm(page, "stop", "stop trial 1", "is being stopped")
    page.locator("dialog .mark.Killed").wait_for()
    page.keyboard.press("Escape")
    # The third trial runs now.
    page.locator("tr[data-trial='2'] .mark.Running").wait_for()
    page.get_by_role("button", name="enqueue a point").click()
    form = page.get_by_role("dialog", name="Enqueue a point")
    assert form.get_by_role("button", name="enqueue").is_disabled()
    form.get_by_label("x", exact=True).fill("7")
    form.get_by_text("must be a number from 0.0 to 1.0, got '7'").wait_for()
    form.get_by_label("x", exact=True).fill("0.25")
    form.get_by_text("0 to 1", exact=True).wait_for()
    assert violations(page) == []
    form.get_by_role("button", name="enqueue").click()
    form.get_by_text("the point is trial 3").wait_for()
    form.get_by_role("button", name="close").click()
    page.get_by_role("button", name="change limits").click()
    page.get_by_label("maxTrialCount").fill("5")
    page.get_by_role("button", name="change", exact=True).click()
    # The page itself says so too, in other words, once the experiment's events have come.
    page.get_by_role("status").get_by_text("maxTrialCount is 5").wait_for()
    page.get_by_role("button", name="close").click()
    confirm(page, "pause", "pause", "the experiment is paused:")


def test_an_experiment_is_watched(
    browser: Any, tmp_path: Path, running: Callable[[], subprocess.Popen[str]]
) -> None:
    """From before it begins, over the death of its runner, to its end, without a reload."""
    (tmp_path / "runs").mkdir()
    with serving(tmp_path / "runs") as server, tab(browser) as page:
        page.goto(server.address)
        page.get_by_text("There is no experiment here yet").wait_for()
        runner = running()
        page.get_by_role("link", name="study").click()
        page.get_by_text("2 running").wait_for()
        page.locator("tr[data-trial='1']").get_by_text("Running").wait_for()
        page.locator("tr[data-trial='1']").click()
        output = page.locator("dialog pre.output")
        output.get_by_text("loss=3").wait_for()
        assert output.inner_text().startswith("hello\nloss=5")
        page.keyboard.press("Escape")
        ask_for_everything(page)
        os.kill(runner.pid, signal.SIGKILL)
        runner.wait()
        page.get_by_text("no runner is at work; to resume (paused)").wait_for()
        assert page.locator(".head code").inner_text().endswith("runs/study --plain")
        running()
        page.locator(".state", has_text="paused; running trials go on").wait_for()
        confirm(page, "resume", "resume", "the experiment goes on")
        (tmp_path / "go").touch()
        page.locator(".state", has_text="Succeeded").wait_for()
        page.get_by_text("5 of 5 trials").wait_for()
        page.get_by_role("status").filter(has_text="5 trials").wait_for()
        page.locator("tr[data-trial='4'] .mark.Succeeded").wait_for()
        page.locator("tr[data-trial='1'] .mark.Killed").wait_for()
        stored = reading.read(tmp_path / "runs" / "study")
        assert stored["trials"][3]["values"] == ["0.25"]
        assert stored["trials"][3]["metrics"] == ["0.25"]
        ended = [one for one in stored["trials"] if one["condition"] == "Succeeded"]
        best = min(ended, key=lambda one: float(one["metrics"][0]))
        assert page.locator(".winner button").get_attribute("title") == best["metrics"][0]
        told = page.evaluate("fetch('api/experiments').then(answer => answer.json())")
        assert json.loads(json.dumps(told))["experiments"][0]["condition"] == "Succeeded"


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
        page.goto(server.address)
        for name, _ in kinds[:5]:
            page.get_by_label(f"Compare {name}").check()
        assert page.get_by_label("Compare six").is_disabled()
        page.get_by_label("Compare five").uncheck()
        page.get_by_role("button", name="compare 4").click()
        page.get_by_role("heading", name="Shared parameters").wait_for()
        see_all(page)
        label = page.locator(".canvas").first.get_attribute("aria-label")
        assert label == (
            "Best so far of 4 experiments: one 0.125, two 0.125, three 0.125, four 0.25; "
            "lines: tpe (2 runs), three: random, four: tpe"
        )
        assert violations(page) == []
