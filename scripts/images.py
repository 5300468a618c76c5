"""Builds the images, and lists what is in them.

build [IMAGE...]   builds the images that are named, or all
sbom [FOLDER]      a bill of materials of each, CycloneDX JSON, from the lock files
audit              known vulnerabilities of the locked packages, as a report
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from deploy.images import IMAGES, Image, named

ROOT = Path(__file__).resolve().parent.parent


def revision() -> str:
    """The commit that is checked out, or ``unknown``."""
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def build(images: Sequence[Image]) -> None:
    """Builds `images` one after the other; they share what is the same."""
    commit = revision()
    for image in images:
        print(f"building {image.name}", flush=True)
        command = ["docker", "build", "--quiet", "--build-arg", f"REVISION={commit}"]
        command += ["--file", f"dockerfiles/{image.name}/Dockerfile", "--tag", image.name, "."]
        subprocess.run(command, cwd=ROOT, check=True)


def sbom(folder: Path) -> None:
    """Writes ``<image>.cdx.json`` for each image."""
    folder.mkdir(parents=True, exist_ok=True)
    for image in IMAGES:
        texts = [(ROOT / "requirements" / file).read_text() for file in image.requirements]
        output = folder / f"{image.name}.cdx.json"
        command = ["cyclonedx_py", "requirements", "--pyproject", "pyproject.toml"]
        command += ["--mc-type", "container", "--output-reproducible", "--of", "JSON"]
        command += ["--output-file", str(output), "-"]
        subprocess.run(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            check=True,
            input="\n".join(texts),
            text=True,
        )
        bill = json.loads(output.read_text())
        bill["metadata"]["component"].update(name=image.name, description=image.title)
        output.write_text(json.dumps(bill, indent=2) + "\n")
        print(f"{output}: {len(bill['components'])} packages")


def audit() -> int:
    """What pip-audit says of all locked packages; 1 if it found something."""
    files = sorted({file for image in IMAGES for file in image.requirements})
    pins = "\n".join((ROOT / "requirements" / file).read_text() for file in files)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as everything:
        everything.write(pins)
        everything.flush()
        command = ["pip_audit", "--require-hashes", "--disable-pip", "-r", everything.name]
        return subprocess.run([sys.executable, "-m", *command], check=False).returncode


def main(arguments: Sequence[str]) -> int:
    """Exit status."""
    try:
        match arguments:
            case ["build", *names]:
                build([named(name) for name in names] or IMAGES)
            case ["sbom", *folder]:
                sbom(Path(folder[0]) if folder else ROOT / "build" / "sbom")
            case ["audit"]:
                return audit()
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except (LookupError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
