"""Write what lists the images: dockerfiles/*/Dockerfile, deploy/katib, docs/deployment.md."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path
from string import Template

from suggestion.deployment.images import IMAGES, Image, Kind
from suggestion.deployment.registration import Format, register, registration

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILES = ROOT / "dockerfiles"
MANUAL = ROOT / "docs" / "deployment.md"
KATIB = ROOT / "deploy" / "katib"
BASE = "base.txt"


def version() -> str:
    """Return the version of the project."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return str(declared["project"]["version"])


def _install(image: Image) -> str:
    """Fill the environment: what every server needs first, then one lock file after the other."""
    lines = ["RUN python -m venv --without-pip /opt/suggest"]
    for name in dict.fromkeys((BASE, *image.requirements)):
        file = f"requirements/{name}"
        lines += [f"COPY {file} requirements/"]
        lines += [f"RUN python -m pip install --require-hashes -r {file}"]
    return "\n".join(lines)


def dockerfile(image: Image) -> str:
    """The text of its Dockerfile."""
    template = Template((DOCKERFILES / "Dockerfile.in").read_text())
    ports = [image.kind.port] + ([Kind.EARLY_STOPPING.port] if not image.serves else [])
    folder = image.writes
    return template.substitute(
        name=image.name,
        title=image.title,
        version=version(),
        install=_install(image),
        port=image.kind.port,
        ports=" ".join(map(str, ports)),
        environment="".join(f" \\\n    {key}={value}" for key, value in image.environment),
        volume=f"RUN mkdir -m 1777 {folder}\nVOLUME {folder}\n" if folder else "",
        command=json.dumps(list(image.arguments)),
    )


def katib_config() -> str:
    """Katib's own configuration with this project's algorithms in place of its own."""
    installed = (KATIB / "upstream.yaml").read_text()
    made = registration("example.com/team", version())
    return register(made, Format.KATIB_CONFIG, installed)


def manual() -> str:
    """The page on deployment, with the table of images in it."""
    rows = []
    for image in IMAGES:
        what = ", ".join(f"`{name}`" for name in image.serves) or "everything but `dbmanager`"
        extras = ", ".join(f"`{extra}`" for extra in image.extras) or "-"
        ports = str(image.kind.port) if image.serves else "6789, 6788"
        rows.append(f"| `{image.name}` | {what} | {extras} | {image.memory} MiB | {ports} |")
    begin, end = "| --- | --- | --- | --- | --- |\n", "\n<!-- images:end -->"
    text = MANUAL.read_text()
    head, _, rest = text.partition(begin)
    return head + begin + "\n".join(rows) + "\n" + end + rest.partition(end)[2]


def files() -> dict[Path, str]:
    """All that is generated, by path."""
    texts = {DOCKERFILES / image.name / "Dockerfile": dockerfile(image) for image in IMAGES}
    texts[KATIB / "katib-config.yaml"] = katib_config()
    texts[MANUAL] = manual()
    return texts


def main() -> None:
    """Write the files, and remove Dockerfiles of images that are gone."""
    texts = files()
    for path in DOCKERFILES.glob("*/Dockerfile"):
        if path not in texts:
            shutil.rmtree(path.parent)
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
