"""The notebook in examples/ runs, and what a notebook shows while `tune` runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import suggestion as sg
from tests.tuning import functions

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "tune.ipynb"


@pytest.mark.integration
def test_the_notebook_runs(tmp_path: Path) -> None:
    """As one program: its functions are of ``__main__``, as they are in a kernel."""
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert all(not cell.get("outputs") for cell in cells)
    program = "\n".join([*code, "print(len(result.trials), result.complete)"])
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout == "12 True\n", done.stderr
    assert (tmp_path / "plot.html").exists()


class Handle:
    """What ``IPython.display.display`` returns."""

    shown: list[str] = []  # noqa: RUF012

    def update(self, html: str) -> None:
        self.shown.append(html)


def test_a_notebook_shows_a_widget_that_is_redrawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    display = SimpleNamespace(display=lambda *_, **__: Handle(), HTML=lambda html: html)
    ipython: Any = SimpleNamespace(
        get_ipython=lambda: SimpleNamespace(kernel=1), display=display, __path__=[]
    )
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    with pytest.raises(sg.TrialError):
        sg.tune(functions.markup, {"x": sg.uniform(0, 1)}, trials=3, max_failures=1)
    last = Handle.shown[-1]
    assert "1 of 3 trials" in last
    assert "1 failed" in last
    assert "ValueError: boom at &lt;b&gt; &amp; &quot;c&quot;" in last
