"""`log_artifact`, for whatever runs the trial."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # `typing` and its like would cost each trial some milliseconds
if TYPE_CHECKING:
    from collections.abc import Mapping

#: A folder whose files are kept when the trial ends.
DIRECTORY = "SUGGEST_ARTIFACTS_DIR"
# Of names of what is still being copied; `suggestion.artifacts.finding` leaves them out.
_PART = ".suggest-part-"


def log_artifact(path: str | os.PathLike[str], name: str | None = None) -> None:
    """Keep a file or a folder with the trial.

    It is copied into the folder that ``SUGGEST_ARTIFACTS_DIR`` names; what it holds is kept when
    the trial ends, and ``suggest artifacts`` lists it. A later call with the same name replaces it.
    Outside of a trial it only checks its arguments.

    Args:
        path: Of the file or folder.
        name: Path under which it is kept, with slashes; by default the last step of `path`.

    Raises:
        FileNotFoundError: If there is nothing at `path`.
        ValueError: If `name` leads out of the folder.
    """
    keep(os.environ, os.fspath(path), name)


def keep(env: Mapping[str, str], path: str, name: str | None) -> None:
    """Keep a file or a folder with the trial that `env` describes; see `log_artifact`."""
    import shutil  # noqa: PLC0415
    import uuid  # noqa: PLC0415

    name = os.path.basename(os.path.abspath(path)) if name is None else name
    steps = name.split("/")
    if not name or name.startswith("/") or {"..", ".", ""} & set(steps) or "\0" in name:
        raise ValueError(f"name: must be a path below the folder of artifacts, got {name!r}")
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path}: there is no such file or folder")
    folder = env.get(DIRECTORY)
    if not folder:
        return
    target = os.path.join(folder, *steps)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    part = os.path.join(folder, f"{_PART}{uuid.uuid4().hex}")
    try:
        if os.path.isdir(path):
            shutil.copytree(path, part)
        else:
            shutil.copyfile(path, part)
        if os.path.isdir(target):
            shutil.rmtree(target)
        elif os.path.isdir(part) and os.path.exists(target):
            os.unlink(target)
        os.replace(part, target)
    finally:
        if os.path.isdir(part):
            shutil.rmtree(part, ignore_errors=True)
        elif os.path.exists(part):
            os.unlink(part)
