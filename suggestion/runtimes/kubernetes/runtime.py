"""Trials as objects of a cluster: the runner's side, which one thread calls and which never waits.

An attempt's object has a name that only depends on experiment, trial and attempt, so that applying
it twice makes one. It is applied once the handle is stored; ``status-N`` in the trial's folder
says that it was there, and later how it has ended, before it is deleted.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from suggestion.controller.context import Fatal
from suggestion.controller.files import replace_file
from suggestion.controller.moments import parse
from suggestion.controller.outcomes import KILLED_BASE
from suggestion.controller.runtime import (
    Exit,
    Handle,
    LaunchSpec,
    Loss,
    Notice,
    Running,
    RuntimeEvent,
    Started,
    TrialFiles,
    Whose,
)  # fmt: skip
from suggestion.runtimes.kubernetes import objects
from suggestion.runtimes.kubernetes.api import CONFIG_MAPS, EVENTS, PODS, Api, Refused, Resource
from suggestion.runtimes.kubernetes.cluster import Changed, Cluster, Done, Failed, Listed, Said
from suggestion.runtimes.kubernetes.judging import Phase, Pod, Verdict, judge, read_pod
from suggestion.runtimes.kubernetes.kinds import EXPERIMENT, TRIAL, Conditions
from suggestion.runtimes.kubernetes.logs import Mirror, OutputFile, Reader, Sink

_TERMINATED: Final = KILLED_BASE + 15
# For what there is to be known when trials of an earlier session are looked for.
_LONGEST_SYNC: Final = 10.0
# For pods to be seen, and their logs to be read, once their object has ended.
_LONGEST_UNSEEN: Final = 5.0
_LONGEST_READ: Final = 60.0
# Beyond the grace period, for the pods of a trial that is stopped.
_LONGEST_END: Final = 30.0
# Without a pod for so long, a trial is asked about.
_WITHOUT_POD: Final = 10.0
_LAST_DELETIONS: Final = 10.0


@dataclass(slots=True)
class _Trial:
    """An attempt that this session has launched or adopted.

    Attributes:
        name: Of its object.
        mirror: Takes the place of its metrics path; None without a side-car.
        document: To be applied; empty if an earlier session did.
        there: Its object has been there.
        begun: When this session began to follow it, in monotonic seconds.
        running: The machine knows that it runs.
        ended: What has become of it, and since when that is known.
        stopping: Since when it is being stopped, and the grace period.
        asked: When the cluster was last asked about it.
    """

    files: TrialFiles
    name: str
    mirror: Path | None
    document: Mapping[str, Any]
    there: bool
    begun: float
    running: bool = False
    ended: tuple[Verdict, float] | None = None
    stopping: tuple[float, float] | None = None
    missing: bool = False
    asked: float = 0.0
    readers: dict[tuple[str, str], Reader] = field(default_factory=dict)
    read: set[tuple[str, str]] = field(default_factory=set)
    told: set[str] = field(default_factory=set)


class KubernetesRuntime:
    """The trials of one session.

    Args:
        find: Returns the resource of the trials' objects.
        image: For the side-car; empty: that of the primary container.
    """

    def __init__(
        self,
        api: Api,
        whose: Whose,
        conditions: Conditions,
        find: Callable[[], Resource],
        image: str = "",
    ) -> None:
        self._api = api
        self._whose = whose
        self._conditions = conditions
        self._image = image
        self._label = objects.experiment_label(whose)
        mine = f"{EXPERIMENT}={self._label}"
        theirs = mine if conditions.pod_label == TRIAL else conditions.pod_label
        self._cluster = Cluster(api, find, PODS, (mine, theirs))
        self._objects: dict[str, Mapping[str, Any]] = {}
        self._pods: dict[str, dict[str, Pod]] = {}
        self._trials: dict[str, _Trial] = {}
        self._by_name: dict[str, _Trial] = {}
        self._deleted: set[str] = set()
        self._changed: set[str] = set()  # names of objects since the last look
        self._owner = ""  # UID
        self._tidied = False
        self._out: list[RuntimeEvent] = []
        self._leaving: list[Reader] = []

    # ---------------------------------------------------------------- the runner's calls

    def launch(self, spec: LaunchSpec) -> Handle:
        files = spec.files
        name = objects.object_name(self._whose, files.trial, spec.attempt)
        mirror = next((here for inside, here in spec.paths if inside == spec.metrics_path), "")
        # The owner's UID is not known before it is there.
        shape = objects.Shape(self._label, (self._label, ""), self._conditions, self._image)
        document = objects.trial_object(spec, name, shape)
        files.status.unlink(missing_ok=True)
        self._follow(
            _Trial(files, name, Path(mirror) if mirror else None, document, False, time.monotonic())
        )
        return {"name": name, "namespace": self._api.namespace, "mirror": mirror}

    def begin(self, trial: str) -> None:
        made = self._trials[trial]
        self._deleted.discard(made.name)

        def apply() -> Mapping[str, Any]:
            owner = self._owned()
            document = dict(made.document)
            document["metadata"] = {**document["metadata"], "ownerReferences": [owner]}
            answer: Mapping[str, Any] = self._api.apply(self._cluster.resource, document)
            self._note(made, {"there": True})
            return answer

        def refused(error: Refused) -> None:
            if error.status in (400, 422):  # the object itself
                self._finish(made, Exit(trial, None, f"the cluster refuses it: {error}"))
            else:
                raise Fatal(str(error))

        self._cluster.submit(made.name, apply, lambda found: self._made(made, found), refused)

    def _owned(self) -> Mapping[str, Any]:
        """Return the reference to the config map that owns everything, which is made at first."""
        if not self._owner:
            found = self._api.apply(CONFIG_MAPS, objects.owner(self._whose))
            self._owner = found["metadata"]["uid"]
        return {"apiVersion": "v1", "kind": "ConfigMap", "name": self._label, "uid": self._owner}

    def _made(self, made: _Trial, found: Mapping[str, Any]) -> None:
        made.there = True
        self._keep(found)

    def adopt(self, files: TrialFiles, handle: Handle) -> Running | Exit | Loss:
        name, mirror = str(handle["name"]), str(handle.get("mirror") or "")
        noted = _noted(files)
        if "status" in noted:
            return Exit(files.trial, noted["status"], str(noted.get("reason", "")))
        known = self._cluster.wait(_LONGEST_SYNC)
        self._take()
        if known and name not in self._objects:
            begun = bool(noted)
            return Loss(files.trial, begun, f"its {self._conditions.kind} is gone" if begun else "")
        made = _Trial(files, name, Path(mirror) if mirror else None, {}, True, time.monotonic())
        self._follow(made)
        pods = self._pods.get(name, {}).values()
        started = min((pod.started for pod in pods if pod.started), default="")
        made.running = bool(started)
        return Running(_seconds_since(started), queued=not started)

    def _follow(self, made: _Trial) -> None:
        self._trials[made.files.trial] = made
        self._by_name[made.name] = made

    def stop(self, trial: str, grace: float) -> None:
        made = self._trials.get(trial)
        if made is not None and made.stopping is None:
            made.stopping = (time.monotonic(), grace)
            self._delete(made.name, grace)

    def _delete(self, name: str, grace: float | None) -> None:
        """Delete the object of an attempt; with a grace period, its pods too."""

        pods = [pod.name for pod in self._pods.get(name, {}).values() if not pod.finished]

        def delete() -> None:
            self._api.delete(self._cluster.resource, name)
            for pod in pods if grace is not None else ():
                self._api.delete(PODS, pod, grace)

        self._cluster.submit(name, delete, deletes=True)

    def tell(self, trial: str, rules: str) -> None:
        """Nothing: a pod is told its first rules; the runner applies those that follow."""

    def fileno(self) -> int | None:
        return self._cluster.fileno()

    def close(self) -> None:
        readers = [reader for made in self._trials.values() for reader in made.readers.values()]
        for reader in readers:
            reader.close()
        self._cluster.close(_LAST_DELETIONS)
        for reader in [*readers, *self._leaving]:
            reader.join()
        self._trials.clear()

    # ---------------------------------------------------------------- what has happened

    def events(self) -> Sequence[RuntimeEvent]:
        self._take()
        if self._cluster.synced:
            if not self._tidied:
                self._tidied = True
                self._tidy()
            changed, self._changed = self._changed, set()
            for made in list(self._trials.values()):
                waits = made.ended is not None or made.stopping is not None
                if waits or made.name in changed or not self._pods.get(made.name):
                    self._advance(made)
        out, self._out = self._out, []
        return out

    def _take(self) -> None:
        for seen in self._cluster.take():
            match seen:
                case Done(then):
                    then()
                case Failed(reason):
                    raise Fatal(f"--runtime kubernetes: {reason}")
                case Said(text):
                    self._out.append(Notice(text))
                case Listed(what, items, version):
                    self._list(what, items, int(version))
                case Changed(what, document, deleted):
                    self._change(what, document, deleted)

    def _list(self, what: str, items: Sequence[Mapping[str, Any]], version: int) -> None:
        """Replace what is known, but for what is younger than the list."""
        if what == Cluster.PODS:
            self._changed |= self._pods.keys()
            self._pods.clear()
        else:
            kept = (known for known in self._objects.values() if _version(known) > version)
            self._changed |= self._objects.keys()
            self._objects = {known["metadata"]["name"]: known for known in kept}
        for item in items:
            self._change(what, item, False)

    def _change(self, what: str, document: Mapping[str, Any], deleted: bool) -> None:
        if what == Cluster.OBJECTS:
            name = document["metadata"]["name"]
            if deleted:
                self._objects.pop(name, None)
                self._deleted.add(name)
                self._changed.add(name)
            else:
                self._keep(document)
            return
        name = (document["metadata"].get("labels") or {}).get(self._conditions.pod_label)
        if not name:
            return
        self._changed.add(name)
        pods = self._pods.setdefault(name, {})
        if deleted:
            pods.pop(document["metadata"]["uid"], None)
            if not pods:
                del self._pods[name]
        else:
            pod = read_pod(document, self._conditions)
            pods[pod.uid] = pod

    def _keep(self, document: Mapping[str, Any]) -> None:
        name = document["metadata"]["name"]
        known = self._objects.get(name)
        if name in self._deleted:  # the answer to a request is older than what a watch has told
            return
        self._changed.add(name)
        if known is None or _version(known) <= _version(document):
            self._objects[name] = document

    def _tidy(self) -> None:
        """Delete what earlier attempts have left; what is to be kept has ended."""
        for name, document in list(self._objects.items()):
            if name not in self._by_name:
                pods = self._pods.get(name, {}).values()
                phase = judge(self._conditions, document, pods).phase
                if not (self._conditions.retain and phase in {Phase.SUCCEEDED, Phase.FAILED}):
                    self._delete(name, None)

    def _advance(self, made: _Trial) -> None:
        """Draw conclusions from what is known of a trial."""
        if not made.there:
            return
        now = time.monotonic()
        document = self._objects.get(made.name)
        pods = sorted(self._pods.get(made.name, {}).values(), key=lambda pod: pod.created)
        self._read(made, pods)
        if made.stopping is not None:
            self._stopped(made, document, pods, now)
            return
        if made.ended is None:
            if document is None:
                self._miss(made)
                return
            verdict = judge(self._conditions, document, pods)
            if verdict.phase is Phase.LOST:
                self._lose(made, verdict.reason)
                return
            if verdict.phase.over:
                made.ended = (verdict, now)
            elif verdict.phase is Phase.RUNNING and not made.running:
                made.running = True
                self._out.append(Started(made.files.trial))
            self._explain(made, pods, now)
        if made.ended is not None:
            verdict, since = made.ended
            if self._is_read(made, pods, now - since):
                status = 0 if verdict.phase is Phase.SUCCEEDED else verdict.status
                if not self._conditions.retain:
                    self._delete(made.name, None)
                self._finish(made, Exit(made.files.trial, status, verdict.reason))

    # -------------------------------------------------------------------------- output

    def _read(self, made: _Trial, pods: Sequence[Pod]) -> None:
        """Follow the output of primary pods, one after the other."""
        there = {pod.uid for pod in pods}
        ready = True
        for pod in pods:
            if not pod.primary or not pod.started:
                continue
            keys = _keys(made, pod)
            for key in keys:
                if ready and key not in made.readers and key not in made.read:
                    made.readers[key] = self._reader(made, pod, key)
                reader = made.readers.get(key)
                if reader is not None and (
                    pod.ended if key[1] == pod.container else pod.finished or pod.leaving
                ):
                    reader.over()
            ready = ready and all(key in made.read for key in keys)
        for (uid, _), reader in made.readers.items():
            if uid not in there:
                reader.over()

    def _reader(self, made: _Trial, pod: Pod, key: tuple[str, str]) -> Reader:
        uid, container = key
        sink: Sink
        if container == objects.SIDECAR:
            assert made.mirror is not None
            sink = Mirror(made.mirror)
        else:
            sink = OutputFile(made.files.output)
        path = made.files.folder / f"log-{uid[:8]}-{container}.json"

        def ended() -> None:
            made.readers.pop(key, None)
            made.read.add(key)
            self._changed.add(made.name)

        put = self._cluster.put
        trial = made.files.trial
        return Reader(
            self._api,
            pod.name,
            container,
            sink,
            path,
            lambda: put(Done(ended)),
            lambda text: put(Said(f"{trial}: {text}")),
        )

    @staticmethod
    def _is_read(made: _Trial, pods: Sequence[Pod], seconds: float) -> bool:
        """Return whether all output is kept, or nobody will ever get the rest."""
        expected = [key for pod in pods if pod.primary and pod.started for key in _keys(made, pod)]
        if not expected and not made.readers:
            return bool(made.read) or seconds > _LONGEST_UNSEEN
        if seconds > _LONGEST_READ:
            return True
        return not made.readers and all(key in made.read for key in expected)

    # ---------------------------------------------------------------------------- ends

    def _stopped(
        self, made: _Trial, document: Mapping[str, Any] | None, pods: Sequence[Pod], now: float
    ) -> None:
        """End a trial that is being stopped once its pods have ended and are read."""
        assert made.stopping is not None
        since, grace = made.stopping
        over = document is None and all(pod.finished for pod in pods) and not made.readers
        if over or now > since + grace + _LONGEST_END:
            self._finish(made, Exit(made.files.trial, _TERMINATED))

    def _miss(self, made: _Trial) -> None:
        """Somebody has deleted the object of a trial, or the owner of all."""
        if made.missing:
            return
        made.missing = True

        def there(_: Any) -> None:
            self._lose(made, f"its {self._conditions.kind} was deleted")

        def gone(error: Refused) -> None:
            if error.status == 404:
                raise Fatal(
                    f"--runtime kubernetes: config map {self._label} in namespace "
                    f"{self._api.namespace} was deleted, and with it all trials"
                )
            there(None)

        owner = partial(self._api.get, CONFIG_MAPS, self._label)
        self._cluster.submit(made.name, owner, there, gone)

    def _lose(self, made: _Trial, reason: str) -> None:
        if made.files.trial not in self._trials:
            return
        self._delete(made.name, None)
        self._forget(made)
        self._out.append(Loss(made.files.trial, True, reason))

    def _finish(self, made: _Trial, end: Exit) -> None:
        if made.files.trial not in self._trials:
            return
        self._note(made, {"status": end.status, "reason": end.reason})
        self._forget(made)
        self._out.append(end)

    def _forget(self, made: _Trial) -> None:
        for reader in made.readers.values():
            reader.close()
            self._leaving.append(reader)
        del self._trials[made.files.trial]

    @staticmethod
    def _note(made: _Trial, noted: Mapping[str, Any]) -> None:
        with suppress(OSError):  # the machine's own store says the rest
            replace_file(made.files.status, json.dumps(noted))

    # ------------------------------------------------------------------------- trouble

    def _explain(self, made: _Trial, pods: Sequence[Pod], now: float) -> None:
        """Say once why a trial does not begin."""
        for pod in pods:
            if pod.waiting and not pod.started and pod.waiting not in made.told:
                made.told.add(pod.waiting)
                self._out.append(Notice(f"waits: {pod.waiting}", made.files.trial))
        if pods or made.ended is not None or now < max(made.begun, made.asked) + _WITHOUT_POD:
            return
        made.asked = now + _LONGEST_READ
        fields = f"involvedObject.name={made.name},type=Warning"

        def answer(found: Any) -> None:
            for event in found.get("items") or ():
                text = " ".join(str(event.get("message") or "").split())
                if "violates PodSecurity" in text:  # it never will be allowed
                    self._delete(made.name, None)
                    self._finish(made, Exit(made.files.trial, None, text))
                    return
                if text not in made.told:
                    made.told.add(text)
                    self._out.append(Notice(f"waits: {text}", made.files.trial))

        self._cluster.submit(
            made.name,
            lambda: self._api.list(EVENTS, fieldSelector=fields),
            answer,
            lambda error: None,
        )


def _keys(made: _Trial, pod: Pod) -> list[tuple[str, str]]:
    """Return the containers of a primary pod whose output is followed."""
    own = (pod.uid, pod.container)
    return [own] if made.mirror is None else [own, (pod.uid, objects.SIDECAR)]


def _noted(files: TrialFiles) -> Mapping[str, Any]:
    """Return what is noted of an attempt: that its object was there, or how it has ended."""
    try:
        found = json.loads(files.status.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _version(document: Mapping[str, Any]) -> int:
    return int(document["metadata"].get("resourceVersion") or 0)


def _seconds_since(time_text: str) -> float:
    moment = parse(time_text)
    return 0.0 if moment is None else max((datetime.now(UTC) - moment).total_seconds(), 0.0)
