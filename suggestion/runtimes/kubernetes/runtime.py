"""Trials as objects of a cluster: the runner's side, which one thread calls and which never waits.

An attempt's object has a name that only depends on experiment, trial and attempt, so that applying
it twice makes one. It is applied once the handle is stored; ``status-N`` in the trial's folder
says that it was there, and later how it has ended, before it is deleted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from suggestion.controller.context import Fatal
from suggestion.controller.moments import parse
from suggestion.controller.outcomes import TERMINATED
from suggestion.controller.runtime import (
    Exit,
    Grown,
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
from suggestion.runtimes.kubernetes import objects, trials
from suggestion.runtimes.kubernetes.api import CONFIG_MAPS, EVENTS, PODS, Api, Refused, Resource
from suggestion.runtimes.kubernetes.cluster import (
    Changed,
    Cluster,
    Done,
    Failed,
    Kept,
    Listed,
    Said,
)  # fmt: skip
from suggestion.runtimes.kubernetes.judging import Phase, Pod, judge
from suggestion.runtimes.kubernetes.kinds import EXPERIMENT, TRIAL, Conditions
from suggestion.runtimes.kubernetes.logs import Reader
from suggestion.runtimes.kubernetes.outputs import Outputs
from suggestion.runtimes.kubernetes.view import View

# For what there is to be known when trials of an earlier session are looked for.
_LONGEST_SYNC: Final = 10.0
# Beyond the grace period, for the pods of a trial that is stopped.
_LONGEST_END: Final = 30.0
# Without a pod for so long, a trial is asked about.
_WITHOUT_POD: Final = 10.0
_ASKED_AGAIN: Final = 60.0
_LAST_DELETIONS: Final = 10.0


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
        self._view = View(conditions)
        self._trials: dict[str, trials.Trial] = {}
        self._by_name: dict[str, trials.Trial] = {}
        self._owner = ""  # UID
        self._tidied = False
        self._sync_by = time.monotonic() + _LONGEST_SYNC
        self._out: list[RuntimeEvent] = []
        self._leaving: list[Reader] = []

    # ---------------------------------------------------------------- the runner's calls

    def launch(self, spec: LaunchSpec) -> Handle:
        files = spec.files
        name = objects.object_name(self._whose, files.trial, spec.attempt)
        mirror = next((here for inside, here in spec.paths if inside == spec.metrics_path), "")
        shape = objects.Shape(self._label, self._conditions, self._image)
        document = objects.trial_object(spec, name, shape)
        files.status.unlink(missing_ok=True)
        self._follow(files, name, mirror, document)
        return {"name": name, "namespace": self._api.namespace, "mirror": mirror}

    def begin(self, trial: str) -> None:
        made = self._trials[trial]
        assert made.document is not None
        document = dict(made.document)

        def apply() -> Mapping[str, Any]:
            # The owner's UID is not known before it is there.
            owners = [objects.reference(self._label, self._owned())]
            document["metadata"] = {**document["metadata"], "ownerReferences": owners}
            answer: Mapping[str, Any] = self._api.apply(self._cluster.resource, document)
            trials.note(made.files, {"there": True})
            return answer

        def refused(error: Refused) -> None:
            if error.status in (400, 422):  # the object itself
                self._finish(made, Exit(trial, None, f"the cluster refuses it: {error}"))
            else:
                raise Fatal(str(error))

        self._cluster.submit(made.name, apply, lambda found: self._made(made, found), refused)

    def _owned(self) -> str:
        """Return the UID of the config map that owns everything, which is made at first."""
        if not self._owner:
            found = self._api.apply(CONFIG_MAPS, objects.owner(self._whose))
            self._owner = found["metadata"]["uid"]
        return self._owner

    def _made(self, made: trials.Trial, found: Mapping[str, Any]) -> None:
        made.there = True
        self._view.answer(found)

    def adopt(self, files: TrialFiles, handle: Handle) -> Running | Exit | Loss:
        name, mirror = str(handle["name"]), str(handle.get("mirror") or "")
        noted = trials.noted(files)
        if "status" in noted:
            return Exit(files.trial, noted["status"], str(noted.get("reason", "")))
        # All trials together: an API server that is away is not waited for once for each.
        known = self._cluster.wait(max(self._sync_by - time.monotonic(), 0.0))
        self._take()
        if known and name not in self._view.objects:
            return self._gone(files, noted)
        made = self._follow(files, name, mirror, None)
        made.there = True
        started = min((pod.started for pod in self._view.pods(name) if pod.started), default="")
        made.running = bool(started)
        return Running(_seconds_since(started), queued=not started)

    def _gone(self, files: TrialFiles, noted: Mapping[str, Any]) -> Loss:
        """Return the loss of a trial of an earlier session whose object is not there."""
        begun = bool(noted)
        return Loss(files.trial, begun, f"its {self._conditions.kind} is gone" if begun else "")

    def _follow(
        self, files: TrialFiles, name: str, mirror: str, document: Mapping[str, Any] | None
    ) -> trials.Trial:
        put, view = self._cluster.put, self._view

        def ended(finish: Callable[[], None]) -> None:
            def then() -> None:
                finish()
                view.mark(name)

            put(Done(then))

        def note(text: str) -> None:
            put(Said(f"{files.trial}: {text}"))

        kept = partial(put, Kept(files.trial))
        outputs = Outputs(self._api, files, Path(mirror) if mirror else None, kept, ended, note)
        made = trials.Trial(files, name, outputs, document, time.monotonic())
        self._trials[files.trial] = self._by_name[name] = made
        return made

    def stop(self, trial: str, grace: float) -> None:
        made = self._trials.get(trial)
        if made is not None and made.stopping is None:
            made.stopping = (time.monotonic(), grace)
            self._delete(made.name, grace)

    def _delete(self, name: str, grace: float | None) -> None:
        """Delete the object of an attempt; with a grace period, its pods too."""

        pods = [pod.name for pod in self._view.pods(name) if not pod.finished]

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
        for made in self._trials.values():
            self._leaving += made.outputs.close()
        self._cluster.close(_LAST_DELETIONS)
        for reader in self._leaving:
            reader.join()
        self._trials.clear()

    # ---------------------------------------------------------------- what has happened

    def events(self) -> Sequence[RuntimeEvent]:
        self._take()
        if self._cluster.synced:
            if not self._tidied:
                self._tidied = True
                self._tidy()
            changed = self._view.changed()
            for made in list(self._trials.values()):
                waits = made.ended is not None or made.stopping is not None
                if waits or made.name in changed or not self._view.pods(made.name):
                    self._advance(made)
        out, self._out = self._out, []
        return out

    def _take(self) -> None:
        for seen in self._cluster.take():
            match seen:
                case Done(then):
                    then()
                case Kept(trial):
                    self._out.append(Grown(trial))
                case Failed(reason):
                    raise Fatal(f"--runtime kubernetes: {reason}")
                case Said(text):
                    self._out.append(Notice(text))
                case Listed(Cluster.OBJECTS, items, version):
                    self._view.list_objects(items, int(version))
                case Listed(_, items):
                    self._view.list_pods(items)
                case Changed(Cluster.OBJECTS, document, deleted):
                    self._view.change_object(document, deleted)
                case Changed(_, document, deleted):
                    self._view.change_pod(document, deleted)

    def _tidy(self) -> None:
        """Delete what earlier attempts have left; what is to be kept has ended."""
        for name, document in self._view.objects.items():
            if name not in self._by_name:
                phase = judge(self._conditions, document, self._view.pods(name)).phase
                if not (self._conditions.retain and phase in {Phase.SUCCEEDED, Phase.FAILED}):
                    self._delete(name, None)

    def _advance(self, made: trials.Trial) -> None:
        """Draw conclusions from what is known of a trial."""
        if not made.there:
            return
        now = time.monotonic()
        document = self._view.objects.get(made.name)
        pods = self._view.pods(made.name)
        made.outputs.follow(pods)
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
            if made.outputs.complete(pods, now - since):
                if verdict.phase is Phase.SUCCEEDED and made.outputs.missed(pods):
                    self._lose(made, "its side-car was ended before it could print the metrics")
                    return
                status = 0 if verdict.phase is Phase.SUCCEEDED else verdict.status
                end = Exit(made.files.trial, status, verdict.reason)
                self._finish(made, end, deletes=not self._conditions.retain)

    # ---------------------------------------------------------------------------- ends

    def _stopped(
        self,
        made: trials.Trial,
        document: Mapping[str, Any] | None,
        pods: Sequence[Pod],
        now: float,
    ) -> None:
        """End a trial that is being stopped once its pods have ended and are read."""
        assert made.stopping is not None
        since, grace = made.stopping
        over = document is None and all(pod.finished for pod in pods) and not made.outputs.open
        if over or now > since + grace + _LONGEST_END:
            self._finish(made, Exit(made.files.trial, TERMINATED))

    def _miss(self, made: trials.Trial) -> None:
        """Find out who is gone: the object of a trial, or the owner of all."""
        if made.missing:
            return
        made.missing = True
        if made.document is None and not (noted := trials.noted(made.files)):
            # It was adopted while the API server was away, and had never been there.
            self._forget(made)
            self._out.append(self._gone(made.files, noted))
            return

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

    def _lose(self, made: trials.Trial, reason: str) -> None:
        if made.files.trial not in self._trials:
            return
        self._delete(made.name, None)
        self._forget(made)
        self._out.append(Loss(made.files.trial, True, reason))

    def _finish(self, made: trials.Trial, end: Exit, *, deletes: bool = False) -> None:
        """End a trial; its object is deleted once the next session can know how it has ended."""
        if made.files.trial not in self._trials:
            return
        noted = trials.note(made.files, {"status": end.status, "reason": end.reason})
        if noted and deletes:
            self._delete(made.name, None)
        self._forget(made)
        self._out.append(end)

    def _forget(self, made: trials.Trial) -> None:
        self._leaving += made.outputs.close()
        del self._trials[made.files.trial]

    # ------------------------------------------------------------------------- trouble

    def _explain(self, made: trials.Trial, pods: Sequence[Pod], now: float) -> None:
        """Say once why a trial does not begin."""
        for pod in pods:
            if pod.waiting and not pod.started and pod.waiting not in made.told:
                made.told.add(pod.waiting)
                self._out.append(Notice(f"waits: {pod.waiting}", made.files.trial))
        if pods or made.ended is not None or now < max(made.begun, made.asked) + _WITHOUT_POD:
            return
        made.asked = now + _ASKED_AGAIN
        fields = f"involvedObject.name={made.name},type=Warning"

        def answer(found: Any) -> None:
            for event in found.get("items") or ():
                text = " ".join(str(event.get("message") or "").split())
                if "violates PodSecurity" in text:  # it never will be allowed
                    self._finish(made, Exit(made.files.trial, None, text), deletes=True)
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


def _seconds_since(time_text: str) -> float:
    moment = parse(time_text)
    return 0.0 if moment is None else max((datetime.now(UTC) - moment).total_seconds(), 0.0)
