"""Where contents are kept, each under its own checksum."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, cast

from suggestion.artifacts.lists import FOLDER
from suggestion.controller.files import private_folder, replace_file

_CONTENTS: Final = "contents"
_PLACE: Final = "place.json"
_CHUNK: Final = 1 << 20


class Place(Protocol):
    """A store of contents by their SHA-256."""

    def has(self, digest: str) -> bool:
        """Return whether a content is there, whole."""
        ...

    def put(self, source: Path, digest: str) -> None:
        """Store the content of a file, whose checksum is known."""
        ...

    def open(self, digest: str) -> BinaryIO:
        """Open a content for reading."""
        ...

    def remove(self, digest: str) -> None:
        """Remove a content; nothing if it is not there."""
        ...

    def every(self) -> Iterator[str]:
        """Yield the checksums of all contents."""
        ...


class Folder:
    """Contents in a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest

    def has(self, digest: str) -> bool:
        return self._path(digest).is_file()

    def put(self, source: Path, digest: str) -> None:
        target = self._path(digest)
        private_folder(target.parent)
        with open(source, "rb") as given, whole(target) as made:
            shutil.copyfileobj(given, made, _CHUNK)
            made.flush()
            os.fsync(made.fileno())

    def open(self, digest: str) -> BinaryIO:
        return open(self._path(digest), "rb")

    def remove(self, digest: str) -> None:
        self._path(digest).unlink(missing_ok=True)

    def every(self) -> Iterator[str]:
        for path in sorted(self._folder.glob("??/*")):
            if path.name.startswith("."):  # a copy that was cut off
                path.unlink(missing_ok=True)
            else:
                yield path.name


class Filesystem:
    """Contents below a URL of fsspec: ``s3://bucket/path``, ``file:///path`` (an extra).

    Args:
        folder: Below it, of one experiment: what that removes no other one has.

    Raises:
        ValueError: If fsspec knows no such store, or it keeps nothing.
    """

    def __init__(self, url: str, folder: str = "") -> None:
        try:
            from fsspec.core import url_to_fs  # noqa: PLC0415

            self._system, root = cast("tuple[Any, str]", url_to_fs(url))
        except (ImportError, ValueError) as error:  # without fsspec, or what a protocol needs
            needs = "pip install 'suggestion-servers[artifacts]' brings fsspec"
            raise ValueError(f"{url}: no store for artifacts: {error}; {needs}") from error
        if self._system.protocol == "memory":  # whose contents would end with this process
            raise ValueError(f"{url}: a store must outlive this process")
        self._root = "/".join([root.rstrip("/"), *([folder] if folder else []), _CONTENTS])

    def _path(self, digest: str) -> str:
        return f"{self._root}/{digest[:2]}/{digest}"

    def has(self, digest: str) -> bool:
        self._system.invalidate_cache()
        return bool(self._system.isfile(self._path(digest)))

    def put(self, source: Path, digest: str) -> None:
        target = self._path(digest)
        self._system.makedirs(target.rpartition("/")[0], exist_ok=True)
        part = f"{target}.{uuid.uuid4().hex}"
        self._system.put_file(str(source), part)
        self._system.mv(part, target)

    def open(self, digest: str) -> BinaryIO:
        return cast("BinaryIO", self._system.open(self._path(digest), "rb"))

    def remove(self, digest: str) -> None:
        if self._system.exists(self._path(digest)):
            self._system.rm_file(self._path(digest))

    def every(self) -> Iterator[str]:
        self._system.invalidate_cache()
        for path in self._system.glob(f"{self._root}/??/*"):
            name = str(path).rpartition("/")[2]
            if "." in name:
                self._system.rm_file(path)
            else:
                yield name


def place(directory: Path, url: str | None = None) -> Place:
    """Return where the artifacts of the experiment in `directory` are kept.

    Args:
        url: Of fsspec; it is remembered, with a folder there that is this experiment's alone. None
            for what is remembered, or else the directory.

    Raises:
        ValueError: If artifacts are already kept elsewhere.
    """
    file = directory / FOLDER / _PLACE
    try:
        known: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = {}
    if url is not None and known.get("url") != url:
        if known or (directory / FOLDER / _CONTENTS).exists():
            at = known.get("url") or str(directory / FOLDER)
            raise ValueError(f"artifacts of {directory} are kept in {at}, got {url}")
        chosen = {"url": url, "folder": uuid.uuid4().hex}
        made = Filesystem(**chosen)
        private_folder(file.parent)
        replace_file(file, json.dumps(chosen))
        return made
    return Filesystem(**known) if known else Folder(directory / FOLDER / _CONTENTS)


def checksum(file: BinaryIO) -> tuple[str, int]:
    """Return the SHA-256 of what is left of a file, and its size in bytes."""
    made, size = hashlib.sha256(), 0
    while chunk := file.read(_CHUNK):
        made.update(chunk)
        size += len(chunk)
    return made.hexdigest(), size


@contextmanager
def whole(target: Path) -> Iterator[BinaryIO]:
    """Write a file that is there under its name only once it is whole, and its user's alone."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{uuid.uuid4().hex}")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with open(os.open(part, flags, 0o600), "w+b") as file:
            yield file
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
