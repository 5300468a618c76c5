"""Takes the pictures of the page that README shows: ``make pictures``.

Trains the network of the examples in four experiments, with two algorithms and two seeds, and opens
them in a real Chromium, which must be installed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
ALGORITHMS = ("bayesianoptimization", "random")
SEEDS = (1, 2)
SIZE = {"width": 1100, "height": 960}
MILLISECONDS = 600_000
TRIALS = 30
SPACE: list[dict[str, Any]] = [
    {"name": "lr", "parameterType": "double",
     "feasibleSpace": {"min": "1e-5", "max": "1", "distribution": "logUniform"}},
    {"name": "layers", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "6"}},
    {"name": "dropout", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "0.6"}},
    {"name": "optimizer", "parameterType": "categorical",
     "feasibleSpace": {"list": ["sgd", "adam", "ftrl"]}},
]  # fmt: skip


def document(name: str, algorithm: str, seed: int) -> dict[str, Any]:
    """Return an experiment that trains the network of the examples."""
    settings = [{"name": "random_state", "value": str(seed)}]
    words = ["python", "train.py", "--epochs=8"]
    words += [f"--{entry['name']}=${{trialParameters.{entry['name']}}}" for entry in SPACE]
    return {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": name},
        "spec": {
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "algorithm": {"algorithmName": algorithm, "algorithmSettings": settings},
            "parallelTrialCount": 2,
            "maxTrialCount": TRIALS,
            "parameters": SPACE,
            "trialTemplate": {"command": words},
        },
    }


def run(folder: Path) -> list[str]:
    """Run the experiments in `folder` / runs; return their names."""
    names = []
    shutil.copy(ROOT / "examples" / "train.py", folder)
    for algorithm in ALGORITHMS:
        for seed in SEEDS:
            name = f"{algorithm}-{seed}"
            file = folder / f"{name}.yaml"
            file.write_text(yaml.safe_dump(document(name, algorithm, seed)), encoding="utf-8")
            command = [sys.executable, "-m", "suggestion", "run", str(file), "--plain"]
            command += ["--directory", str(folder / "runs" / name)]
            subprocess.run(command, check=True)
            names.append(name)
    return names


def take(browser: Any, address: str, names: list[str]) -> None:
    """Write the picture of one experiment, and that of all of them side by side."""
    page = browser.new_context(viewport=SIZE, color_scheme="light").new_page()
    page.set_default_timeout(MILLISECONDS)
    page.goto(address)
    page.get_by_role("link", name=names[0], exact=True).click()
    drawn(page, "ui-experiment.png")
    page.get_by_role("link", name="Experiments").click()
    for name in names:
        page.get_by_label(f"Compare {name}", exact=True).check()
    page.get_by_role("button", name=f"compare {len(names)}").click()
    drawn(page, "ui-compare.png")


def drawn(page: Any, file: str) -> None:
    """Write what the window shows, once it is drawn."""
    page.locator("section.card").first.wait_for()
    expect(page.locator(".later")).to_have_count(0, timeout=MILLISECONDS)
    page.locator(".canvas[data-drawn]").first.wait_for()
    page.locator(".canvas canvas").last.scroll_into_view_if_needed()
    page.evaluate("scrollTo(0, 0)")
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.screenshot(path=DOCS / file)
    print(f"wrote docs/{file}")


def main() -> None:
    """Exit with a message without a browser."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("no Chromium is installed: the pictures cannot be taken")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        names = run(folder)
        command = [sys.executable, "-u", "-m", "suggestion", "ui", str(folder / "runs")]
        command += ["--address", "127.0.0.1:0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                address = server.stdout.readline().split()[0]
                with sync_playwright() as started:
                    browser = started.chromium.launch(
                        executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
                    )
                    take(browser, address, names)
                    browser.close()
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
