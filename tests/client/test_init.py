"""`suggest init`: a first Experiment file that `suggest validate` takes."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from suggestion.cli import init as module
from suggestion.cli.init import init
from suggestion.cli.validate import validate
from suggestion.client.arguments import Argument, read_arguments

TRAIN = Path(__file__).resolve().parents[2] / "examples" / "train.py"
Init = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Init:
    monkeypatch.chdir(tmp_path)

    def invoke(*words: str, answers: str | None = None) -> Result:
        return CliRunner().invoke(init, words, input=answers, catch_exceptions=False)

    return invoke


def script(text: str) -> str:
    Path("train.py").write_text(textwrap.dedent(text))
    return "train.py"


def spec() -> dict[str, Any]:
    done = CliRunner().invoke(validate, ["experiment.yaml"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return dict(yaml.safe_load(Path("experiment.yaml").read_text())["spec"])


def test_the_script_of_the_examples(run: Init) -> None:
    done = run("--from-argparse", str(TRAIN), "--metric", "accuracy", "--maximize")
    assert done.exit_code == 0, done.output
    made = spec()
    assert made["objective"] == {"type": "maximize", "objectiveMetricName": "accuracy"}
    parameters = {entry["name"]: entry for entry in made["parameters"]}
    assert parameters["lr"]["feasibleSpace"] == {
        "min": "0.0001",
        "max": "1",
        "distribution": "logUniform",
    }
    assert parameters["optimizer"] == {
        "name": "optimizer",
        "parameterType": "categorical",
        "feasibleSpace": {"list": ["sgd", "adam", "ftrl"]},
    }
    assert parameters.keys().isdisjoint({"seed", "epochs", "push", "checkpoint", "log"})
    command = made["trialTemplate"]["command"]
    assert command[:2] == ["python", str(TRAIN)]
    assert "--lr=${trialParameters.lr}" in command
    assert "#   --push: takes no single value" in Path("experiment.yaml").read_text()


def test_a_script_is_never_run(run: Init) -> None:
    name = script(
        """
        import argparse
        raise SystemExit("this was run")
        parser = argparse.ArgumentParser()
        group = parser.add_argument_group("g")
        group.add_argument("-l", "--learning-rate", type=float, default=1e-3, help="a: b # c '\\"")
        parser.add_argument("data")
        parser.add_argument("--size", type=int, choices=range(8, 33, 8), default=8)
        parser.add_argument("--name", required=True)
        parser.add_argument("--flag", action="store_true")
        parser.add_argument("--many", nargs="+", type=float)
        parser.add_argument("--wide", type=int, default=512)
        parser.add_argument("--no", choices=["yes", "off"], default="off")
        parser.add_argument("--below", type=float, default=-1.0)
        parser.add_argument("--made", type=float, default=len("abc"))
        parser.add_argument(FLAG, type=float, default=0.1)
        """
    )
    done = run("--from-argparse", name)
    assert done.exit_code == 0, done.output
    made = {entry["name"]: entry for entry in spec()["parameters"]}
    assert made["learning-rate"]["feasibleSpace"]["distribution"] == "logUniform"
    assert made["size"]["feasibleSpace"] == {"list": ["8", "16", "24", "32"]}
    assert made["size"]["parameterType"] == "discrete"
    assert made["wide"]["feasibleSpace"]["max"] == "2048"
    assert made["no"]["feasibleSpace"]["list"] == ["yes", "off"]
    assert made.keys() == {"learning-rate", "size", "wide", "no"}
    text = Path("experiment.yaml").read_text()
    for note in (
        "data: takes no single value after a flag, but must be given: add it to the command",
        "--name: is no number, and has no choices, but must be given: add it to the command",
        "--below: no range is known around its default, -1.0",
        "--made: has no default to choose a range around",
    ):
        assert f"  #   {note}\n" in text


def test_constants_switches_and_names_that_are_made(run: Init) -> None:
    name = script(
        """
        import argparse
        LR, size = 1e-3, 3
        RATE: float = 1e-3
        twice = 1
        twice = 2
        BIG = 10**4
        def main(given):
            parser = argparse.ArgumentParser()
            parser.add_argument("--rate", "--learning-rate", type=float, default=RATE)
            parser.add_argument("--big", type=int, default=BIG // 1 * 2)
            parser.add_argument("--more", type=int, default=BIG * 2 - 2**3)
            parser.add_argument("--twice", type=int, default=twice)
            parser.add_argument("--given", type=int, default=given)
            parser.add_argument("--huge", type=float, default=10.0**999)
            parser.add_argument("--longest", type=int, default=1000**1000 * 1000**1000)
            parser.add_argument("--root", type=float, default=(0 - 8) ** 0.5)
            parser.add_argument(f"--{RATE:.1f}", type=float, default=1.0)
            parser.add_argument("--verbose", action=argparse.BooleanOptionalAction)
            parser.add_argument("--weight-decay", type=float, default=0.0)
            parser.add_argument("--amp", action=argparse.BooleanOptionalAction, default=True)
            for each in ("a", "b"):
                parser.add_argument(f"--{each}", type=float, default=1.0)
            parser.add_argument(f"--with-{RATE}", type=float, default=1.0)
        """
    )
    assert run("--from-argparse", name).exit_code == 0
    made = spec()
    parameters = {entry["name"]: entry["feasibleSpace"] for entry in made["parameters"]}
    assert parameters.keys() == {"rate", "more", "weight-decay", "amp"}
    assert parameters["rate"]["max"] == "0.1"
    assert parameters["more"]["min"] == str((20000 - 8) // 4)
    assert parameters["weight-decay"] == {
        "min": "1e-06",
        "max": "0.1",
        "distribution": "logUniform",
    }
    assert parameters["amp"] == {"list": ["--amp", "--no-amp"]}
    assert "${trialParameters.amp}" in made["trialTemplate"]["command"]
    notes = Path("experiment.yaml").read_text()
    assert len(re.findall(r"#   line \d+: adds an argument whose name is no literal\n", notes)) == 2
    for note in (
        "longest: has no default to choose a range around",
        "root: has no default to choose a range around",
        "verbose: says how a trial runs",
    ):
        assert f"#   --{note}\n" in notes
    assert "#   --with-0.001: its name is none of a parameter\n" in notes


def test_a_subcommand_is_part_of_the_command(run: Init) -> None:
    name = script(
        """
        import argparse
        parser = argparse.ArgumentParser()
        commands = parser.add_subparsers()
        show = commands.add_parser("show")
        show.add_argument("--all", action="store_true")
        train = commands.add_parser("train")
        more = train.add_argument_group("more")
        more.add_argument("--rate", type=float, default=0.1)
        evaluate = commands.add_parser("evaluate")
        evaluate.add_argument("--rate", type=float, default=0.5)
        parser.add_argument("--gamma", type=float, default=0.5)
        """
    )
    words = ["--gamma=${trialParameters.gamma}", "train", "--rate=${trialParameters.rate}"]
    assert run("--from-argparse", name).exit_code == 0
    assert spec()["trialTemplate"]["command"] == ["python", "train.py", *words]
    assert "#   evaluate: is another subcommand than train\n" in Path("experiment.yaml").read_text()
    done = run("--from-argparse", name, "--force", "--command", "python train.py train")
    assert done.exit_code == 0
    assert spec()["trialTemplate"]["command"].count("train") == 1


def test_of_arguments_that_exclude_each_other_one_is_tuned(run: Init) -> None:
    name = script(
        """
        import argparse
        parser = argparse.ArgumentParser()
        group = parser.add_mutually_exclusive_group()
        group.add_argument("--file")
        group.add_argument("--width", type=int, default=8, help="50%% of it")
        group.add_argument("--depth", type=int, default="4")
        group = parser.add_mutually_exclusive_group()
        group.add_argument("--rate", type=float, default="0.1")
        group = parser.add_argument_group("more")
        group.add_argument("--momentum", type=float, default=0.9)
        parser.add_argument("data")
        """
    )
    done = run("--from-argparse", name)
    assert done.exit_code == 0
    assert "to do: data must be given; add it to the command in experiment.yaml\n" in done.output
    assert [each["name"] for each in spec()["parameters"]] == ["width", "rate", "momentum"]
    text = Path("experiment.yaml").read_text()
    assert "#   --depth: must not be given together with --width\n" in text
    assert "# default 8; 50% of it\n" in text


def test_what_is_read() -> None:
    source = 'p.add_argument("-x", "--long", default=3, help="one\\n two")\np.add_argument("")'
    assert read_arguments(source) == [
        Argument("--long", "int", 3, help="one two", line=1),
    ]


def test_it_asks_on_a_terminal(run: Init, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    class System:
        stdin = Terminal()
        exit = staticmethod(exit)

    monkeypatch.setattr(module, "sys", System)
    answers = [
        "mine", "python 'my train.py'", "loss", "n",
        "lr", "double", "1e-5", "0.1", "y",
        "kind", "categorical", "a, b", "",
        "sobol", "7", "3",
    ]  # fmt: skip
    done = run(answers="\n".join(answers) + "\n")
    assert done.exit_code == 0, done.output
    made = spec()
    assert made["algorithm"] == {"algorithmName": "sobol"}
    assert (made["maxTrialCount"], made["parallelTrialCount"]) == (7, 3)
    assert made["parameters"][0]["feasibleSpace"]["distribution"] == "logUniform"
    assert made["trialTemplate"]["command"][:2] == ["python", "my train.py"]


def test_what_is_refused(run: Init) -> None:
    done = run()
    assert done.exit_code == 2
    assert "--from-argparse TRAIN.PY must be given where nobody can be asked" in done.output
    done = run("--from-argparse", script("print('nothing')"))
    assert "train.py: has no call of add_argument" in done.output
    done = run("--from-argparse", script("def ("))
    assert "train.py: must be a Python program: " in done.output
    done = run("--from-argparse", script("p.add_argument('--seed', type=int, default=1)"))
    assert "no parameter to tune:\n--seed: says how a trial runs" in done.output
    assert not Path("experiment.yaml").exists()


def test_a_file_is_replaced_only_when_that_is_asked_for(run: Init) -> None:
    Path("experiment.yaml").write_text("mine")
    name = script("p.add_argument('--lr', type=float, default=0.1)")
    assert (
        "experiment.yaml: exists already; --force replaces it"
        in run("--from-argparse", name).output
    )
    assert Path("experiment.yaml").read_text() == "mine"
    assert run("--from-argparse", name, "--force", "--algorithm", "tpee").exit_code == 1
    assert run("--from-argparse", name, "--force").exit_code == 0
    assert spec()["maxTrialCount"] == 20
