"""What MkDocs needs beside docs/: the files of the repository to which its pages refer.

Pages of docs/ are also read as plain files, so their links to the rest of the repository are
relative. The site gets those files below ``repository/``, and the links are turned there.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOCS = "docs"
ELSEWHERE = "repository"
#: Links and pictures.
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s:#]+)(#[^)\s]*)?\)")


def on_files(files: Any, config: Any) -> Any:
    """Add the files that pages refer to, and those that these refer to."""
    from mkdocs.structure.files import File  # noqa: PLC0415

    waiting = [f"{DOCS}/{file.src_uri}" for file in files.documentation_pages()]
    known = set(waiting)
    while waiting:
        source = waiting.pop()
        text = (ROOT / source).read_text(encoding="utf-8")
        for _, target, _ in LINK.findall(text) if source.endswith(".md") else ():
            path = _in_repository(source, target)
            if path is None or path in known or path.startswith(f"{DOCS}/"):
                continue
            known.add(path)
            waiting.append(path)
            files.append(
                File.generated(config, f"{ELSEWHERE}/{path}", abs_src_path=str(ROOT / path))
            )
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Turn links to the repository to their place in the site."""
    uri = page.file.src_uri
    prefix = f"{ELSEWHERE}/"
    source = uri.removeprefix(prefix) if uri.startswith(prefix) else f"{DOCS}/{uri}"

    def turned(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        path = _in_repository(source, target)
        if path is None:
            return match[0] if _is_wrong(source, target) else text
        inside = path.removeprefix(f"{DOCS}/") if path.startswith(f"{DOCS}/") else prefix + path
        return f"[{text}]({os.path.relpath(inside, os.path.dirname(uri) or '.')}{anchor})"

    return LINK.sub(turned, markdown)


def _in_repository(source: str, target: str) -> str | None:
    """Return the path of a link's file from the root; None if there is no such file."""
    path = os.path.normpath(os.path.join(os.path.dirname(source), target))
    if (ROOT / path).is_dir():
        path = os.path.join(path, "README.md")
    return path if not path.startswith("..") and (ROOT / path).is_file() else None


def _is_wrong(source: str, target: str) -> bool:
    """Whether a link refers to nothing at all, so that the build should fail."""
    path = os.path.normpath(os.path.join(os.path.dirname(source), target))
    return not (ROOT / path).exists()
