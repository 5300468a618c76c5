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


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process look like the kernel of a notebook."""
    monkeypatch.chdir(tmp_path)
    display = SimpleNamespace(display=lambda *_, **__: Handle(), HTML=lambda html: html)
    ipython: Any = SimpleNamespace(
        get_ipython=lambda: SimpleNamespace(kernel=1), display=display, __path__=[]
    )
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)


def test_a_notebook_shows_a_widget_that_is_redrawn(notebook: None) -> None:
    with pytest.raises(sg.TrialError):
        sg.tune(functions.markup, {"x": sg.uniform(0, 1)}, trials=3, max_failures=1)
    last = Handle.shown[-1]
    assert "1 of 3 trials" in last
    assert "1 failed" in last
    assert "ValueError: boom at &lt;b&gt; &amp; &quot;c&quot;" in last


def test_an_inactive_parameter_is_a_dash(notebook: None) -> None:
    """While trials run, and in the table of the result."""
    result = sg.tune(
        functions.conditional,
        {"kind": ["a", "b"], "x": sg.uniform(0, 1), "y": [7]},
        conditions="x if kind == 'a'",
        initial_points=[{"kind": "b"}],
        trials=1,
    )
    assert "kind=b x=- y=7" in Handle.shown[-1]
    assert "<td>b</td><td>-</td><td>7</td>" in result._repr_html_()
