"""Lets ``report_metrics`` of Kubeflow's SDK, in a trial on this machine, find the DB manager.

It reads the namespace from a file that only pods have, and dials an address that only a cluster
resolves. Python imports this module at its start since its folder is in ``PYTHONPATH``; it imports
nothing but the standard library, and changes two things of the SDK once the SDK is imported.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Callable, Sequence
from importlib.util import module_from_spec
from types import ModuleType


def _address(module: ModuleType) -> None:
    module.DEFAULT_DB_MANAGER_ADDRESS = os.environ["SUGGEST_DB_MANAGER"]  # type: ignore[attr-defined]


def _namespace(module: ModuleType) -> None:
    of_a_pod = module.get_current_k8s_namespace

    def get_current_k8s_namespace() -> str:
        """Return the namespace of a pod; outside of one, that of no cluster."""
        try:
            return str(of_a_pod())
        except OSError:
            return "default"

    module.get_current_k8s_namespace = get_current_k8s_namespace  # type: ignore[attr-defined]


_CHANGES: dict[str, Callable[[ModuleType], None]] = {
    "kubeflow.katib.constants.constants": _address,
    "kubeflow.katib.utils.utils": _namespace,
}


class _Changed(importlib.abc.Loader):
    """Loads a module as another loader does, then changes it."""

    def __init__(self, loader: importlib.abc.Loader, change: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._change = change

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        # Of another version of the SDK; the trial goes on as it would without us.
        with contextlib.suppress(AttributeError, KeyError):
            self._change(module)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules that are changed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in _CHANGES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _Changed(spec.loader, _CHANGES[fullname])
        return spec


def _other() -> None:
    """Run the ``sitecustomize`` that Python would have imported without this one."""
    here = os.path.dirname(os.path.abspath(__file__))
    path = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", path)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(module_from_spec(spec))


if "SUGGEST_DB_MANAGER" in os.environ:
    sys.meta_path.insert(0, _Finder())
_other()
