"""What trials leave: kept by content, listed whole or not at all, pruned, given back."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import suggestion as sg
from suggestion.artifacts import finding, keeper, places
from suggestion.artifacts.lists import FOLDER, Lists
from suggestion.cli.main import main
from suggestion.controller.observation import Objective, Series
from suggestion.controller.trials import Condition, Trial
from suggestion.controller.workspace import artifacts_folder, trial_files
from tests.experiments import support
from tests.experiments.support import Machine, Recorder

DOCUMENT = {
    "metadata": {"name": "study"},
    "spec": {"objective": {"type": "minimize", "objectiveMetricName": "loss"}},
}


def trial(number: int, loss: str = "", attempt: int = 1, **more: Any) -> Trial:
    series = {"loss": Series().plus(loss)} if loss else {}
    condition = Condition.SUCCEEDED if loss else Condition.FAILED
    return Trial(
        number, f"t{number}", {}, condition=condition, attempt=attempt, series=series, **more
    )  # fmt: skip


def leave(root: Path, made: Trial, name: str, content: bytes) -> Path:
    path = artifacts_folder(trial_files(root, made).folder, made.attempt) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def keeping(root: Path, **options: Any) -> keeper.Keeper:
    return keeper.Keeper(root, places.place(root), Objective.of(DOCUMENT), **options)


def listed(root: Path, name: str) -> dict[str, str]:
    listing = Lists(root).read(name)
    return {} if listing is None else {a.path: a.sha256 for a in listing.artifacts}


def contents(root: Path) -> set[str]:
    return {path.name for path in (root / FOLDER / "contents").glob("*/*")}


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# ----------------------------------------------------------------- a whole experiment


def test_a_run_keeps_what_trials_leave(machine: Machine, tmp_path: Path) -> None:
    script = """
mkdir -p "$SUGGEST_TRIAL_DIR/model/deep" "$SUGGEST_ARTIFACTS_DIR/a"
printf same > "$SUGGEST_ARTIFACTS_DIR/a/same.txt"
printf same > "$SUGGEST_TRIAL_DIR/model/$(printf 'two\\nlines')"
printf %s "${trialParameters.x}" > "$SUGGEST_TRIAL_DIR/model/deep/x.txt"
echo ignored > "$SUGGEST_TRIAL_DIR/other.txt"
ln -s /etc/passwd "$SUGGEST_ARTIFACTS_DIR/passwd"
ln -s / "$SUGGEST_ARTIFACTS_DIR/root"
mkfifo "$SUGGEST_ARTIFACTS_DIR/pipe"
echo loss=${trialParameters.x}
"""
    view = Recorder()
    made = support.document(script)
    controller = machine.run(
        tmp_path, made, view=view, artifacts=("model/**", "none/*"), keep_best=2
    )
    (note,) = (note for note in view.notes if "--artifacts" in note)
    assert note.startswith("no trial has left a file that --artifacts 'none/*' stands for")
    state = tmp_path / "state"
    assert controller.best is not None
    for one in support.stored(tmp_path):
        assert not [*trial_files(state, one).folder.glob("artifacts-*")]
    ranked = keeping(state).ranked(support.stored(tmp_path))
    for one in ranked[:2]:
        found = listed(state, one.name)
        x = one.assignment["x"].encode()
        assert found == {
            "a/same.txt": digest(b"same"),
            "model/two\nlines": digest(b"same"),
            "model/deep/x.txt": digest(x),
        }
    assert all(listed(state, one.name) == {} for one in ranked[2:])
    assert len(contents(state)) == 3  # the same content is kept once
    for name in ("passwd", "root", "pipe"):
        assert any(f"artifact '{name}' is not kept" in note for note in view.notes), name

    folder = tmp_path / "best"
    done = artifacts(state, "--best", "--download", str(folder))
    assert f"{ranked[0].name}  a/same.txt  4  {digest(b'same')}" in done.output
    assert f"{ranked[0].name}  model/two\\nlines  4  " in done.output
    assert (folder / "model/deep/x.txt").read_text() == ranked[0].assignment["x"]
    assert len(artifacts(state).output.splitlines()) == 6
    one = ranked[0]
    for word in (one.name, str(one.number), one.name[-6:]):
        assert {
            line.split()[0] for line in artifacts(state, "--trial", word).output.splitlines()
        } == {one.name}
    said = artifacts(state, "--trial", "nobody", status=1).output
    assert "nobody: no trial has this name; `suggest trials` lists them" in said
    assert "removed those of 1 trials" in artifacts(state, "--keep-best", "1").output
    assert len(artifacts(state).output.splitlines()) == 3
    assert "its artifacts are removed" in artifacts(state, "--trial", ranked[1].name).output


def test_a_failed_trial_is_not_the_best(machine: Machine, tmp_path: Path) -> None:
    script = "printf 1 > \"$SUGGEST_ARTIFACTS_DIR/$(printf 'a\\377')\"; exit 1"
    made = support.document(script, maxTrialCount=1, parallelTrialCount=1)
    controller = machine.run(tmp_path, made)
    state = tmp_path / "state"
    assert controller.best is None
    assert "  a\\udcff  1  " in artifacts(state).output
    said = artifacts(state, "--best", "--download", str(tmp_path / "best"), status=1).output
    assert "no trial has a result" in said
    assert not (tmp_path / "best").exists()


def artifacts(state: Path, *words: str, status: int = 0) -> Result:
    done = CliRunner().invoke(main, ["artifacts", str(state), *words], catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done


def test_a_pattern_must_stay_in_the_folder(machine: Machine, tmp_path: Path) -> None:
    from suggestion.runner.errors import ExperimentRefused  # noqa: PLC0415

    made = support.document("echo loss=1")
    with pytest.raises(ExperimentRefused) as caught:
        machine.run(tmp_path, made, artifacts=("../x", "/etc/*", "ok/*"), artifact_store="nope://x")
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("--artifacts: must be a path in the trial's folder")
    assert lines[1].endswith("got '/etc/*'")
    assert lines[2].startswith("--artifact-store: nope://x: no store for artifacts")


def test_pods_leave_nothing_here(machine: Machine, tmp_path: Path) -> None:
    from suggestion.runner.errors import ExperimentRefused  # noqa: PLC0415

    with pytest.raises(ExperimentRefused, match="leave files on this machine, got --runtime kube"):
        machine.run(tmp_path, support.document("x"), runtime="kubernetes", artifacts=("model/**",))


# ----------------------------------------------------------------------- crashes


class Killed(BaseException):
    """Stands for the end of the process."""


def test_what_is_half_copied_is_never_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = trial(0, "1")
    leave(tmp_path, one, "a", b"first")
    source = leave(tmp_path, one, "b", b"second")

    def killed(self: places.Folder, path: Path, name: str) -> None:
        if path.read_bytes() == b"second":
            target = self._path(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.with_name(".half").write_bytes(b"sec")
            raise Killed
        whole(self, path, name)

    whole = places.Folder.put
    monkeypatch.setattr(places.Folder, "put", killed)
    with pytest.raises(Killed):
        keeping(tmp_path).keep([one], print)
    assert listed(tmp_path, "t0") == {}
    assert source.exists()
    monkeypatch.setattr(places.Folder, "put", whole)
    keeping(tmp_path).keep([one], print)
    assert listed(tmp_path, "t0") == {"a": digest(b"first"), "b": digest(b"second")}
    assert not source.exists()
    keeping(tmp_path).collect()
    assert contents(tmp_path) == {digest(b"first"), digest(b"second")}
    # A crash between the list and the removal of what it names.
    leave(tmp_path, one, "a", b"first")
    keeping(tmp_path).keep([one], print)
    assert listed(tmp_path, "t0").keys() == {"a", "b"}
    assert not source.parent.exists()


def test_a_later_attempt_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    leave(tmp_path, trial(0), "old", b"1")
    keeping(tmp_path).keep([trial(0)], print)
    again = trial(0, "2", attempt=2)
    leave(tmp_path, again, "new", b"2")
    keeping(tmp_path).keep([again], print)
    assert listed(tmp_path, "t0") == {"new": digest(b"2")}


def test_a_trial_that_leaves_nothing_needs_no_keeping(tmp_path: Path) -> None:
    folder = leave(tmp_path, trial(0), "model", b"1").parent
    assert not keeping(tmp_path).nothing_left(trial(0))
    (folder / "model").unlink()
    for options in ({"patterns": ("*",)}, {"keep_best": 1}):
        assert not keeping(tmp_path, **options).nothing_left(trial(0))
    assert keeping(tmp_path).nothing_left(trial(0))
    assert not folder.exists()
    # What an earlier attempt left is no longer listed once a later one has left nothing.
    artifacts_folder(folder.parent, 2).mkdir()
    assert not keeping(tmp_path).nothing_left(trial(0, attempt=2))


def test_trials_without_a_result_are_pruned_first(tmp_path: Path) -> None:
    trials = [trial(0), trial(1, "3"), trial(2, "1"), trial(3, "2"), trial(4, "nan")]
    failed = replace(trial(5, "0"), condition=Condition.FAILED)
    trials.append(failed)
    for one in trials:
        leave(tmp_path, one, "x", one.name.encode())
    keeping(tmp_path, keep_best=2).keep(trials, print)
    assert [one.name for one in trials if listed(tmp_path, one.name)] == ["t2", "t3"]
    assert contents(tmp_path) == {digest(b"t2"), digest(b"t3")}
    keeping(tmp_path, keep_best=3).keep(trials, print)  # what is gone stays gone
    assert listed(tmp_path, "t1") == {}


# ------------------------------------------------------------------------ the parts


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("model/**", {"model/a.bin", "model/b/c.bin"}),
        ("**/*.bin", {"model/a.bin", "model/b/c.bin", "x.bin"}),
        ("*.bin", {"x.bin"}),
        ("model/?.bin", {"model/a.bin"}),
        ("./x.bin", {"x.bin"}),
        ("**", {"model/a.bin", "model/b/c.bin", "x.bin"}),
    ],
)
def test_patterns(tmp_path: Path, pattern: str, names: set[str]) -> None:
    for name in ("model/a.bin", "model/b/c.bin", "x.bin", "artifacts-1/own"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = {name for name, _ in finding.files(tmp_path, 2, (pattern,))}
    assert found == names


def test_log_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "kept"
    monkeypatch.setenv("SUGGEST_ARTIFACTS_DIR", str(folder))
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "w").write_text("1")
    sg.log_artifact(tmp_path / "m")
    (tmp_path / "m" / "w").write_text("2")
    sg.log_artifact(tmp_path / "m")
    sg.log_artifact(tmp_path / "m" / "w", "deep/weights")
    read = {
        p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*") if p.is_file()
    }
    assert read == {"m/w": "2", "deep/weights": "2"}
    for name in ("../x", "/x", "a/../b", ""):
        with pytest.raises(ValueError, match="name: must be a path below"):
            sg.log_artifact(tmp_path / "m", name)
    with pytest.raises(FileNotFoundError):
        sg.log_artifact(tmp_path / "missing")
    sg.log_artifact(tmp_path / "m" / "w", "m")  # a file in place of a folder
    assert (folder / "m").read_text() == "2"
    sg.log_artifact(tmp_path / "m")  # and back
    assert (folder / "m" / "w").read_text() == "2"
    monkeypatch.delenv("SUGGEST_ARTIFACTS_DIR")
    sg.log_artifact(tmp_path / "m")


def test_a_damaged_content_is_not_given_back(tmp_path: Path) -> None:
    one = trial(0, "1")
    leave(tmp_path, one, "x", b"right")
    keeping(tmp_path).keep([one], print)
    (path,) = (tmp_path / FOLDER / "contents").glob("*/*")
    os.chmod(path, 0o600)
    path.write_bytes(b"wrong")
    listing = Lists(tmp_path).read("t0")
    assert listing is not None
    with pytest.raises(ValueError, match="x: the content is damaged"):
        list(keeper.download(places.place(tmp_path), listing, tmp_path / "out"))
    assert not (tmp_path / "out" / "x").exists()


def test_what_is_pruned_has_matched_its_pattern(tmp_path: Path) -> None:
    worse, better = trial(0, "2"), trial(1, "1")
    folder = trial_files(tmp_path, worse).folder
    folder.mkdir(parents=True)
    (folder / "x.pt").write_bytes(b"1")
    made = keeping(tmp_path, patterns=("*.pt", "*.bin"), keep_best=1)
    made.keep([worse, better], print)
    assert contents(tmp_path) == set()
    assert made.unmatched([worse, better]) == ["*.bin"]


def test_a_store_that_ends_with_the_process_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("fsspec", reason="the extra 'artifacts' is not installed")
    with pytest.raises(ValueError, match="memory://x: a store must outlive this process"):
        places.place(tmp_path, "memory://x")


def test_a_url_of_fsspec_is_remembered(tmp_path: Path) -> None:
    pytest.importorskip("fsspec", reason="the extra 'artifacts' is not installed")
    url = (tmp_path / "store").as_uri()
    root = tmp_path / "run"
    place = places.place(root, url)
    one = trial(0, "1")
    leave(root, one, "x", b"far away")
    keeper.Keeper(root, place, Objective.of(DOCUMENT)).keep([one], print)
    assert not (root / FOLDER / "contents").exists()
    listing = Lists(root).read("t0")
    assert listing is not None
    (path,) = keeper.download(places.place(root), listing, tmp_path / "out")
    assert path.read_bytes() == b"far away"
    with pytest.raises(ValueError, match="are kept in"):
        places.place(root, "memory://elsewhere")
    keeper.Keeper(root, place, Objective.of(DOCUMENT), keep_best=1).prune([trial(1, "0"), one])
    assert [*places.place(root).every()] == []


def test_experiments_that_share_a_store_keep_their_own(tmp_path: Path) -> None:
    pytest.importorskip("fsspec", reason="the extra 'artifacts' is not installed")
    url = (tmp_path / "store").as_uri()
    roots = [tmp_path / "one", tmp_path / "two"]
    for root in roots:
        leave(root, trial(0, "1"), "x", b"the same")
        leave(root, trial(1, "2"), "y", root.name.encode())
        place = places.place(root, url)
        keeper.Keeper(root, place, Objective.of(DOCUMENT)).keep(
            [trial(0, "1"), trial(1, "2")], print
        )
    first = keeper.Keeper(roots[0], places.place(roots[0]), Objective.of(DOCUMENT), keep_best=1)
    first.prune([trial(0, "1"), trial(1, "2")])

    for name in ("t0", "t1"):
        listing = Lists(roots[1]).read(name)
        assert listing is not None
        assert [*keeper.download(places.place(roots[1]), listing, tmp_path / "out")]


# -------------------------------------------------------------------------- a crash

#: Keeps the artifacts of a trial, and is killed in the middle of a copy.
_KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from suggestion.artifacts import keeper, places
from suggestion.controller.observation import Objective
from suggestion.controller.trials import Condition, Trial

copies = 0
whole = shutil.copyfileobj

def cut(source, target, *more):
    global copies
    copies += 1
    if copies < int(sys.argv[2]):
        return whole(source, target, *more)
    target.write(source.read(1000))
    target.flush()
    os.kill(os.getpid(), signal.SIGKILL)

shutil.copyfileobj = cut
root = Path(sys.argv[1])
document = {"spec": {"objective": {"type": "minimize", "objectiveMetricName": "loss"}}}
trial = Trial(1, "t1", {}, condition=Condition.SUCCEEDED, attempt=1)
keeper.Keeper(root, places.place(root), Objective.of(document)).keep([trial], print)
"""


@pytest.mark.integration
@pytest.mark.parametrize("copy", [1, 2, 3, 4])
def test_a_kill_in_the_middle_of_a_copy_leaves_nothing_half(tmp_path: Path, copy: int) -> None:
    one = trial(1, "0.5")
    found = {"a.bin": os.urandom(5000), "b.bin": os.urandom(5000)}
    for name, content in found.items():
        leave(tmp_path, one, name, content)
    done = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path), str(copy)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert listed(tmp_path, "t1") == {}
    store = keeping(tmp_path)
    for name in contents(tmp_path):  # under its checksum a content is whole
        if not name.startswith("."):
            with store.place.open(name) as file:
                assert digest(file.read()) == name
    # The same command again.
    store.recover()
    store.keep([one], lambda _: None)
    assert listed(tmp_path, "t1") == {name: digest(content) for name, content in found.items()}
    assert contents(tmp_path) == {digest(content) for content in found.values()}
    assert not [*(tmp_path / FOLDER).glob(".copy-*")]
