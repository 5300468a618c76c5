"""The runner's side of trials on a cluster, with an API of this process that answers as told."""

from __future__ import annotations

import errno
import select
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from suggestion.client.template import Invocation
from suggestion.controller.runtime import (
    Exit,
    LaunchSpec,
    Loss,
    Running,
    RuntimeEvent,
    TrialFiles,
    Whose,
)  # fmt: skip
from suggestion.controller.slots import Slot
from suggestion.runtimes.kubernetes import outputs, runtime, trials
from suggestion.runtimes.kubernetes.api import CONFIG_MAPS, Away, Refused, Resource
from suggestion.runtimes.kubernetes.cluster import Changed, Cluster
from suggestion.runtimes.kubernetes.kinds import SIDECAR, TRIAL, conditions
from suggestion.runtimes.kubernetes.view import View

JOBS = Resource("batch/v1", "jobs")


def job(version: int, name: str = "t") -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": str(version)}}


# ------------------------------------------------------------------------- what is known


def test_an_answer_is_older_than_a_deletion() -> None:
    view = View(conditions({}, "Job"))
    view.change_object(job(7), True)
    view.answer(job(5))
    assert view.objects == {}
    view.answer(job(9))  # made again
    assert view.objects == {"t": job(9)}


def test_a_deletion_is_older_than_an_object_that_was_made_again() -> None:
    view = View(conditions({}, "Job"))
    view.change_object(job(3), False)
    view.answer(job(9))
    view.change_object(job(7), True)
    assert view.objects == {"t": job(9)}
    view.change_object(job(8), True)
    view.change_object(job(10), True)
    view.change_object(job(11), False)
    assert view.objects == {"t": job(11)}


def test_a_list_replaces_what_is_older() -> None:
    view = View(conditions({}, "Job"))
    view.answer(job(3, "old"))
    view.answer(job(9, "young"))
    view.list_objects([job(5, "listed")], 7)
    assert view.objects.keys() == {"listed", "young"}
    view.answer(job(6, "gone"))  # it was there before the list, which does not have it
    assert view.objects.keys() == {"listed", "young"}
    assert view.changed() == {"old", "young", "listed", "gone"}
    assert view.changed() == set()


# ---------------------------------------------------------------------------- adoption


class Silence:
    """A stream that says nothing until it is interrupted."""

    def __init__(self) -> None:
        self._over = threading.Event()

    def events(self) -> Iterator[tuple[str, Any]]:
        self._over.wait(30)
        yield from ()

    def interrupt(self) -> None:
        self._over.set()

    def close(self) -> None: ...


class Empty:
    """The log of a container that has printed nothing."""

    def chunks(self) -> Iterator[bytes]:
        yield from ()

    def interrupt(self) -> None: ...

    def close(self) -> None: ...


class Fake:
    """An API without anything in it.

    Args:
        away: It does not answer until this is cleared.
    """

    namespace = "team"

    def __init__(self, away: bool = False) -> None:
        self.away = away
        self.applied: list[Mapping[str, Any]] = []
        self.complete = threading.Event()
        self.on_delete: Callable[[str], object] = lambda name: None

    def _answer(self) -> None:
        if self.away:
            raise Away("silence")

    def list(self, resource: Resource, **selectors: str) -> Any:
        self._answer()
        return {"metadata": {"resourceVersion": "1"}, "items": []}

    def watch(self, resource: Resource, version: str, selector: str) -> Silence:
        return Silence()

    def get(self, resource: Resource, name: str) -> Any:
        raise Refused(404, "not found")

    def apply(self, resource: Resource, body: Mapping[str, Any]) -> Any:
        self._answer()
        self.applied.append(body)
        if resource == JOBS:
            self.complete.set()
        found = {**body["metadata"], "uid": f"uid-{resource.plural}", "resourceVersion": "5"}
        return {**body, "metadata": found}

    def delete(self, resource: Resource, name: str, grace: float | None = None) -> None:
        self.on_delete(name)

    def log(self, pod: str, container: str, since: str) -> Empty:
        return Empty()


def files(folder: Path, trial: str) -> TrialFiles:
    return TrialFiles(trial, folder, folder / f"output-{trial}", folder / f"status-{trial}")


@pytest.fixture
def api() -> Fake:
    return Fake()


@pytest.fixture
def made(api: Fake, tmp_path: Path) -> Iterator[runtime.KubernetesRuntime]:
    whose = Whose("study", "1", tmp_path, {"spec": {}})
    opened = runtime.KubernetesRuntime(api, whose, conditions({}, "Job"), lambda: JOBS)  # type: ignore[arg-type]
    yield opened
    opened.close()


def until(made: runtime.KubernetesRuntime) -> RuntimeEvent:
    """Return the next event."""
    descriptor = made.fileno()
    assert descriptor is not None
    while not (found := made.events()):
        assert select.select([descriptor], [], [], 180)[0], "no event came"
    return found[0]


def launch(made: runtime.KubernetesRuntime, api: Fake, trial: TrialFiles, metrics: str = "") -> str:
    """Have a Job applied; return its name."""
    paths = [(metrics, str(trial.folder / "metrics"))] if metrics else []
    spec = LaunchSpec(
        trial, Invocation(("true",), {}, None, "i", True), paths, {}, metrics, bool(metrics),
        Slot(0), trial.folder, "",
    )  # fmt: skip
    handle = made.launch(spec)
    assert made._cluster.wait(20)
    made.begin(trial.trial)
    assert api.complete.wait(20)
    return str(handle["name"])


def test_objects_are_owned_by_the_config_map(
    api: Fake, made: runtime.KubernetesRuntime, tmp_path: Path
) -> None:
    name = launch(made, api, files(tmp_path, "t-1"))
    owner, object_ = api.applied
    assert object_["metadata"]["name"] == name
    reference = {"name": owner["metadata"]["name"], "uid": f"uid-{CONFIG_MAPS.plural}"}
    assert object_["metadata"]["ownerReferences"] == [
        {"apiVersion": "v1", "kind": "ConfigMap", **reference}
    ]


@pytest.mark.parametrize("full", [False, True])
def test_an_object_is_deleted_once_its_end_is_noted(
    api: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    """A runner that dies in between leaves an object that the next one can look at."""
    one = files(tmp_path, "t-1")
    there: list[bool] = []
    api.on_delete = lambda name: there.append("status" in trials.noted(one))
    monkeypatch.setattr(outputs, "_LONGEST_UNSEEN", -1.0)
    whose = Whose("study", "1", tmp_path, {"spec": {}})
    made = runtime.KubernetesRuntime(api, whose, conditions({}, "Job"), lambda: JOBS)  # type: ignore[arg-type]
    name = launch(made, api, one)
    if full:
        until_there(one)
        monkeypatch.setattr(trials, "replace_file", fails)
    status = {"conditions": [{"type": "Complete", "status": "True"}]}
    made._cluster.put(Changed(Cluster.OBJECTS, {**job(9, name), "status": status}))
    assert until(made) == Exit("t-1", 0)
    made.close()  # waits for deletions
    assert there == ([] if full else [True])


@pytest.mark.parametrize("code", [0, 137])
def test_metrics_that_no_side_car_has_printed(
    api: Fake, made: runtime.KubernetesRuntime, tmp_path: Path, code: int
) -> None:
    """On a busy node it may be ended before it has begun; then the trial runs again."""
    name = launch(made, api, files(tmp_path, "t-1"), "/katib/train.log")
    moment = "2026-01-01T00:00:01Z"
    ended = {"state": {"terminated": {"exitCode": 0, "startedAt": moment}}}
    side_car = {"state": {"terminated": {"exitCode": code, "startedAt": moment}}}
    pod = {
        "metadata": {"name": "p", "uid": "u", "labels": {TRIAL: name}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "trial"}]},
        "status": {
            "phase": "Succeeded",
            "containerStatuses": [{"name": "trial", **ended}],
            "initContainerStatuses": [{"name": SIDECAR, **side_car}],
        },
    }
    made._cluster.put(Changed(Cluster.PODS, pod))
    status = {"conditions": [{"type": "Complete", "status": "True"}]}
    made._cluster.put(Changed(Cluster.OBJECTS, {**job(9, name), "status": status}))
    reason = "its side-car was ended before it could print the metrics"
    assert until(made) == (Loss("t-1", True, reason) if code else Exit("t-1", 0))


def fails(path: Path, text: str) -> None:
    raise OSError(errno.ENOSPC, "full")


def until_there(one: TrialFiles) -> None:
    end = time.monotonic() + 180
    while not trials.noted(one):
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A cluster is waited for a moment only; how long, each time."""
    waited: list[float] = []
    wait = Cluster.wait

    def note(self: Cluster, seconds: float) -> bool:
        waited.append(seconds)
        return wait(self, seconds)

    monkeypatch.setattr(runtime, "_LONGEST_SYNC", 0.2)
    monkeypatch.setattr(Cluster, "wait", note)
    return waited


def test_an_api_that_is_away_is_waited_for_once(waits: list[float], tmp_path: Path) -> None:
    whose = Whose("study", "1", tmp_path, {"spec": {}})
    api = Fake(away=True)
    made = runtime.KubernetesRuntime(api, whose, conditions({}, "Job"), lambda: JOBS)  # type: ignore[arg-type]
    try:
        for number in range(3):
            found = made.adopt(files(tmp_path, f"t-{number}"), {"name": f"o-{number}"})
            assert found == Running(0.0, queued=True)
        assert waits[0] > 0
        assert waits[1:] == [0.0, 0.0]
        # Nothing of them was ever there, as is seen now.
        api.away = False
        assert until(made) == Loss("t-0", begun=False)
    finally:
        made.close()


def test_a_look_while_a_list_arrives_is_not_the_last(waits: list[float], tmp_path: Path) -> None:
    """Between a list and the note that everything is listed, a look finds nothing to do yet."""
    whose = Whose("study", "1", tmp_path, {"spec": {}})
    api = Fake(away=True)
    made = runtime.KubernetesRuntime(api, whose, conditions({}, "Job"), lambda: JOBS)  # type: ignore[arg-type]
    looks: list[Sequence[RuntimeEvent]] = []

    class Looks(threading.Event):
        def set(self) -> None:
            if not self.is_set():
                looks.append(made.events())
            super().set()

    for what in (Cluster.OBJECTS, Cluster.PODS):
        made._cluster._synced[what] = Looks()
    try:
        made.adopt(files(tmp_path, "t-0"), {"name": "o-0"})
        api.away = False
        assert made._cluster.wait(180)
        assert looks == [[], []]
        descriptor = made.fileno()
        assert descriptor is not None
        assert select.select([descriptor], [], [], 180)[0]
        assert until(made) == Loss("t-0", begun=False)
    finally:
        made.close()


def test_what_was_there_and_is_gone_has_begun(
    made: runtime.KubernetesRuntime, tmp_path: Path
) -> None:
    one = files(tmp_path, "t-1")
    one.status.write_text('{"there": true}')
    assert made.adopt(one, {"name": "o"}) == Loss("t-1", True, "its Job is gone")
    assert made.adopt(files(tmp_path, "t-2"), {"name": "o"}) == Loss("t-2", begun=False)
