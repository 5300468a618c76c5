"""``import suggestion``: every public name is there, and costs nothing until it is used."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

import suggestion


@pytest.mark.parametrize("name", suggestion.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(suggestion, name) is not None
    assert name in dir(suggestion)


def test_the_version_is_that_of_the_distribution() -> None:
    assert suggestion.__version__ == version("suggestion-servers")


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'suggestion' has no attribute 'nothing'"):
        suggestion.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_the_import_loads_neither_numpy_nor_grpc() -> None:
    program = "import suggestion, sys; print(*(m for m in sys.modules if m.startswith('sugg')))"
    program += "; assert not {'numpy', 'grpc', 'google.protobuf', 'click'} & set(sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["suggestion"]
