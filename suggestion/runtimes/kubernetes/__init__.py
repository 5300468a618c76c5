"""Trials as objects of a Kubernetes cluster: the object of the trial template, whatever its kind.

Nothing of ours is installed there: the file stays Katib's, and its conditions, primary pod and
collector mean what they mean to Katib. See `runtime` for what happens to a trial, `judging` for
what its state is, `logs` for how its output comes here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from suggestion.controller.runtime import Asked, Chosen, Option, Place, Runtime, Whose
from suggestion.runtimes.elsewhere import Elsewhere

_OPTIONS: Final = (
    Option("namespace", "NAME", "Of the trials.  [default: as the file or the context says]"),
    Option("context", "NAME", "Of the kubeconfig.  [default: the current one]"),
    Option(
        "sidecar-image",
        "IMAGE",
        "With Python 3, for the collectors File and TensorFlowEvent.  [default: the trial's own]",
    ),
)


@dataclass(frozen=True, slots=True)
class _Kubernetes(Elsewhere):
    options: Sequence[Option] = _OPTIONS
    local: bool = False
    announces: bool = True
    objects: bool = True

    def refusals(self, asked: Asked) -> Sequence[str]:
        from suggestion.runtimes.kubernetes import admission  # noqa: PLC0415

        return [*Elsewhere.refusals(self, asked), *admission.refusals(asked)]

    def check(self, asked: Asked) -> None:
        from suggestion.runtimes.kubernetes import admission, api  # noqa: PLC0415

        document = asked.loaded.document
        connected = api.connect(self.chosen.get("context"), self._namespace(document))
        admission.expect_rights(connected, *admission.object_of(document))

    def open(self, whose: Whose) -> Runtime:
        from suggestion.runtimes.kubernetes import admission, api  # noqa: PLC0415
        from suggestion.runtimes.kubernetes.runtime import KubernetesRuntime  # noqa: PLC0415

        connected = api.connect(self.chosen.get("context"), self._namespace(whose.document))
        kind = admission.object_of(whose.document)
        return KubernetesRuntime(
            connected,
            whose,
            admission.conditions_of(whose.document),
            lambda: admission.resource_of(connected, *kind),
            self.chosen.get("sidecar-image", ""),
        )

    def _namespace(self, document: Chosen) -> str | None:
        inside = (document.get("metadata") or {}).get("namespace")
        return self.chosen.get("namespace") or inside or None


PLACE: Final[Place] = _Kubernetes()
