"""How fast the page of ``suggest ui`` is: ``python -m benchmarks.page``.

Ten thousand trials of ten parameters in a real Chromium: the time from the click on the experiment
until its table and first chart are there, and from a move of a brush over an axis of the parallel
coordinates until all views know what is selected.

Then a trial that runs under ``suggest run``: the time from the moment at which it prints a report
until the frame of the browser that has its number. Needs Playwright and an installed Chromium.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.experiments.support import document, environment, write
from tests.web.support import experiment, serving, store, trial

TRIALS = 10_000
PARAMETERS = 10
OPENED, BRUSHED = 2.0, 0.1
ROUNDS = 3
REPORTS, REPORTED = 20, 1.0

#: A trial whose reports come at moments that no clock of the page's server has part in.
TRIAL = """
import json, random, time
for number in range({count} + 1):
    time.sleep(random.uniform(1, 2))
    text = f"0.{{99 - number}}1"
    with open({file!r}, "a") as file:
        print(json.dumps([text, time.time()]), file=file)
    print(f"loss={{text}}", flush=True)
"""
#: The first frame that has a value, by its text.
FRAMES = """() => {
  window.seen = {};
  const look = () => {
    const cells = document.querySelectorAll('#trials td.number');
    for (const cell of cells) window.seen[cell.innerText] ??= Date.now() / 1000;
    requestAnimationFrame(look);
  };
  look();
}"""


def make(folder: Path) -> None:
    space = [
        {"name": f"p{i}", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}
        for i in range(PARAMETERS)
    ]
    draw = random.Random(1)
    trials = [
        replace(
            trial(number, draw.random(), started=f"2026-11-27T08:{number // 60 % 60:02}:00Z"),
            assignment={f"p{i}": f"{draw.random():.6f}" for i in range(PARAMETERS)},
        )
        for number in range(TRIALS)
    ]
    store(folder, experiment("large", parameters=space), trials, reports=False)


def opened(page: Any, address: str) -> float:
    page.goto(address)
    link = page.get_by_role("link", name="large")
    link.wait_for()
    begun = time.perf_counter()
    link.click()
    page.get_by_role("status").filter(has_text=f"{TRIALS} trials").wait_for()
    page.locator("#best [data-drawn]").wait_for()
    return time.perf_counter() - begun


def brushed(page: Any, part: float) -> float:
    """Brush the first axis from its top down to `part` of it."""
    page.locator("#parallel canvas").first.wait_for()
    box = page.locator("#parallel canvas").first.bounding_box()
    x, top, bottom = box["x"] + 44, box["y"] + 44, box["y"] + box["height"] - 20
    page.mouse.move(x, top + 1)
    page.mouse.down()
    before = page.locator(".selection").inner_text()
    begun = time.perf_counter()
    # What is marked is selected while the pointer moves.
    page.mouse.move(x, top + part * (bottom - top))
    script = "before => document.querySelector('.selection').innerText !== before"
    page.wait_for_function(script, arg=before)
    found = time.perf_counter() - begun
    page.mouse.up()
    return found


@contextmanager
def running(folder: Path) -> Iterator[Path]:
    """Run an experiment of one trial; the file has what it printed, and when."""
    file = folder / "printed"
    command = [sys.executable, "-c", TRIAL.format(count=REPORTS, file=str(file))]
    write(folder, document(command, maxTrialCount="1", parallelTrialCount="1"))
    words = [sys.executable, "-m", "suggestion", "run", str(folder / "experiment.yaml")]
    words += ["--directory", str(folder / "runs" / "study"), "--plain"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, env=environment()) as process:
        try:
            yield file
        finally:
            process.wait()


def reported(browser: Any, folder: Path) -> list[float]:
    """Return how long after it was printed each report was in a frame of the page."""
    with running(folder) as file, serving(folder / "runs") as server:
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.set_default_timeout(600_000)
        page.goto(server.address)
        page.get_by_role("link", name="study").click()
        page.locator("tr[data-trial='0']").wait_for()
        page.evaluate(FRAMES)
        page.locator(".state", has_text="Succeeded").wait_for()
        seen = page.evaluate("window.seen")
        printed = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    # The first one may come before the page is there. One that a later one overtakes came with it.
    texts = [text for text, _ in printed]
    return [
        min(seen[later] for later in texts[place:] if later in seen) - begun
        for place, (_, begun) in enumerate(printed)
        if place
    ]


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415
    except ImportError:
        chromium = None
    if chromium is None:
        print("left out: needs Playwright and Chromium")
        return
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder, "runs", "large"))
        with serving(Path(folder, "runs")) as server, sync_playwright() as started:
            browser = started.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            times = [opened(page, server.address) for _ in range(ROUNDS)]
            page.locator("#parallel").scroll_into_view_if_needed()
            page.wait_for_timeout(1000)
            brushes = [brushed(page, 0.3 + 0.1 * number) for number in range(ROUNDS)]
            Path(folder, "live", "runs").mkdir(parents=True)
            reports = reported(browser, Path(folder, "live"))
            browser.close()
    for what, found, bound in (("opened", times, OPENED), ("brushed", brushes, BRUSHED)):
        each = ", ".join(f"{one:.3f}" for one in found)
        print(f"{what}: median {statistics.median(found):.3f} s of {each}; bound {bound} s")
    print(
        f"a report on the page: median {statistics.median(reports):.3f} s, worst {max(reports):.3f}"
        f" s of {len(reports)}; bound {REPORTED} s (load {os.getloadavg()[0]:.1f})"
    )


if __name__ == "__main__":
    main()
