"""The notebook in examples/, run by the kernel that a person's Jupyter starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ipykernel", reason="ipykernel is not installed")
nbformat = pytest.importorskip("nbformat", reason="nbclient is not installed")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "tune.ipynb"


def test_the_notebook_runs_in_a_kernel(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(
        "print(len(result.trials), result.complete)\n"
        "try:\n"
        "    result.experiment_file('e.yaml', image='registry/train:1')\n"
        "except sg.InvalidArgument as error:\n"
        "    print(error)\n"
    ))  # fmt: skip
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=120, resources=resources).execute()
    outputs: list[Any] = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    shown = [output["data"].get("text/html", "") for output in outputs if "data" in output]
    assert any("12 of 12 trials" in html for html in shown), "the widget, as it was at last"
    assert any("<table>" in html for html in shown), "the result"
    text = "".join(output["text"] for output in outputs if output["output_type"] == "stream")
    assert "12 True\n" in text
    assert "train: is defined in no file that an image could have, but in a notebook" in text
    assert (tmp_path / "plot.html").exists()
