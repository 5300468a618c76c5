"""The trials' objects and pods, from lists, watches and answers that overtake each other. Pure.

Resource versions of one cluster can be compared: of two tellings about an object, that with the
higher one is the younger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from suggestion.runtimes.kubernetes.judging import Pod, read_pod
from suggestion.runtimes.kubernetes.kinds import Conditions


class View:
    """What is known of a cluster.

    Attributes:
        objects: Of trials, by their names.
    """

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self.objects: dict[str, Mapping[str, Any]] = {}
        self._pods: dict[str, dict[str, Pod]] = {}
        self._listed = 0
        self._deleted: dict[str, int] = {}
        self._changed: set[str] = set()

    def pods(self, name: str) -> list[Pod]:
        """Return the pods of an object, the oldest first."""
        return sorted(self._pods.get(name, {}).values(), key=lambda pod: pod.created)

    def mark(self, name: str) -> None:
        """Let an object be among the changed ones."""
        self._changed.add(name)

    def changed(self) -> set[str]:
        """Return the names of objects about which there is something new since the last call."""
        found, self._changed = self._changed, set()
        return found

    # --------------------------------------------------------------------------- objects

    def list_objects(self, items: Sequence[Mapping[str, Any]], version: int) -> None:
        """Replace the objects by those of a list, but for those that are younger than the list."""
        self._changed |= self.objects.keys()
        self._listed = version
        self._deleted.clear()
        kept = (known for known in self.objects.values() if _version(known) > version)
        self.objects = {known["metadata"]["name"]: known for known in kept}
        for item in items:
            self._keep(item)

    def change_object(self, document: Mapping[str, Any], deleted: bool) -> None:
        """Take what a watch tells of an object."""
        if not deleted:
            self._keep(document)
            return
        name, version = document["metadata"]["name"], _version(document)
        known = self.objects.get(name)
        if known is None or _version(known) <= version:  # else it has been made again since
            self.objects.pop(name, None)
            self._deleted[name] = version
            self._changed.add(name)

    def answer(self, document: Mapping[str, Any]) -> None:
        """Take an object from the answer to a request, which can be older than what is known."""
        name = document["metadata"]["name"]
        if _version(document) > max(self._listed, self._deleted.get(name, 0)):
            self._keep(document)
        self._changed.add(name)

    def _keep(self, document: Mapping[str, Any]) -> None:
        name = document["metadata"]["name"]
        known = self.objects.get(name)
        self._changed.add(name)
        if known is None or _version(known) <= _version(document):
            self.objects[name] = document

    # ------------------------------------------------------------------------------ pods

    def list_pods(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Replace the pods by those of a list."""
        self._changed |= self._pods.keys()
        self._pods.clear()
        for item in items:
            self.change_pod(item, False)

    def change_pod(self, document: Mapping[str, Any], deleted: bool) -> None:
        """Take what a watch tells of a pod."""
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


def _version(document: Mapping[str, Any]) -> int:
    return int(document["metadata"].get("resourceVersion") or 0)
