"""The page in a real browser while an experiment runs, is asked for things, dies and goes on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from suggestion.views.web import reading
from tests.experiments.support import document, environment, write
from tests.web import browser as tabs
from tests.web.browser import expect, leave, tab, violations, visit
from tests.web.support import serving

browser = tabs.browser
pytestmark = tabs.marks


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
        process.wait(180)


def ask(page: Any, question: Any, say: str, answer: str) -> None:
    """Confirm a question; the runner answers, or later if it is busy: then what it does is seen."""
    assert violations(page) == []
    question.get_by_role("button", name=say, exact=True).click()
    said = question.get_by_role("status")
    lost = question.get_by_text("Failed to fetch")
    expect(said.or_(lost)).to_be_visible()
    if lost.count():  # the networks of the machine have changed
        question.get_by_role("button", name=say, exact=True).click()
    expect(said).to_contain_text(re.compile(f"{re.escape(answer)}|has not answered yet"))
    question.get_by_role("button", name="close").click()
    expect(question).to_have_count(0)


def ask_for_everything(page: Any) -> None:
    """Stop trial 1, enqueue a point, raise maxTrialCount to 5, pause."""
    head, question = page.locator(".head"), page.locator("dialog.question")
    page.locator("tr[data-trial='1']").click()
    page.get_by_role("button", name="stop", exact=True).click()
    ask(page, question, "stop trial 1", "is being stopped")
    page.locator("dialog[open] .mark.Killed").wait_for()
    leave(page)
    # The third trial runs now.
    page.locator("tr[data-trial='2'] .mark.Running").wait_for()
    head.get_by_role("button", name="enqueue a point").click()
    expect(question.get_by_role("button", name="enqueue")).to_be_disabled()
    question.get_by_label("x", exact=True).fill("7")
    question.get_by_text("must be a number from 0.0 to 1.0, got '7'").wait_for()
    question.get_by_label("x", exact=True).fill("0.25")
    question.get_by_text("0 to 1", exact=True).wait_for()
    ask(page, question, "enqueue", "the point is trial 3")
    head.get_by_role("button", name="change limits").click()
    question.get_by_label("maxTrialCount").fill("5")
    ask(page, question, "change", "maxTrialCount is 5")
    expect(head).to_contain_text("of 5 trials")
    head.get_by_role("button", name="pause", exact=True).click()
    ask(page, question, "pause", "the experiment is paused:")
    expect(head.locator(".state")).to_have_text("paused; running trials go on")


def test_an_experiment_is_watched(
    browser: Any, tmp_path: Path, running: Callable[[], subprocess.Popen[str]]
) -> None:
    """From before it begins, over the death of its runner, to its end, without a reload."""
    (tmp_path / "runs").mkdir()
    with serving(tmp_path / "runs") as server, tab(browser) as page:
        head, question = page.locator(".head"), page.locator("dialog.question")
        visit(page, server.address)
        page.get_by_text("There is no experiment here yet").wait_for()
        runner = running()
        page.get_by_role("link", name="study", exact=True).click()
        expect(head).to_contain_text("2 running")
        page.locator("tr[data-trial='1'] .mark.Running").wait_for()
        page.locator("tr[data-trial='1']").click()
        output = page.locator("dialog[open] pre.output")
        expect(output).to_have_text(re.compile("^hello\nloss=5\nloss=4\nloss=3\n"))
        leave(page)
        ask_for_everything(page)
        os.kill(runner.pid, signal.SIGKILL)
        runner.wait()
        expect(head.locator(".state")).to_have_text("no runner is at work; to resume (paused)")
        expect(head.locator("code")).to_have_text(re.compile("runs/study --plain$"))
        running()
        expect(head.locator(".state")).to_have_text("paused; running trials go on")
        head.get_by_role("button", name="resume", exact=True).click()
        ask(page, question, "resume", "the experiment goes on")
        (tmp_path / "go").touch()
        expect(head.locator(".state")).to_have_text("Succeeded")
        expect(head).to_contain_text("5 of 5 trials")
        expect(page.locator("#trials").get_by_role("status")).to_have_text("5 trials")
        page.locator("tr[data-trial='4'] .mark.Succeeded").wait_for()
        page.locator("tr[data-trial='1'] .mark.Killed").wait_for()
        stored = reading.read(tmp_path / "runs" / "study")
        assert stored["trials"][3]["values"] == ["0.25"]
        assert stored["trials"][3]["metrics"] == ["0.25"]
        ended = [one for one in stored["trials"] if one["condition"] == "Succeeded"]
        best = min((one["metrics"][0] for one in ended), key=float)
        expect(page.locator(".winner button")).to_have_attribute("title", best)
        told = page.evaluate("fetch('api/experiments').then(answer => answer.json())")
        assert told["experiments"][0]["condition"] == "Succeeded"
