"""Builds the images, and lists what is in them.

build [IMAGE...]   builds the images that are named, or all
sbom [FOLDER]      a bill of materials of each, CycloneDX JSON, from the lock files, by the program
                   CYCLONEDX_PY
audit              known vulnerabilities of the locked packages, as a report
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from suggestion.deployment.images import IMAGES, Image, named

ROOT = Path(__file__).resolve().parent.parent


def revision() -> str:
    """The commit that is checked out, or ``unknown``."""
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def build(images: Sequence[Image]) -> None:
    """Build `images`: the first alone, for it makes what all share, then one on each processor."""
    commit = revision()

    def build_one(image: Image) -> None:
        command = ["docker", "build", "--quiet", "--build-arg", f"REVISION={commit}"]
        command += ["--file", f"dockerfiles/{image.name}/Dockerfile", "--tag", image.name, "."]
        begin = time.monotonic()
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        print(f"built {image.name} in {time.monotonic() - begin:.0f} s", flush=True)

    for image in images[:1]:
        build_one(image)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(build_one, images[1:]))


def pins(files: Iterable[str]) -> str:
    """The lock files as one, each package once."""
    unique: dict[str, None] = {}
    for file in files:
        text = (ROOT / "requirements" / file).read_text().strip()
        unique.update(dict.fromkeys(re.split(r"\n(?=\S)", text)))
    return "\n".join(unique) + "\n"


@cache
def packages(files: tuple[str, ...]) -> str:
    """A bill of materials of lock files, CycloneDX JSON, whose root has no name yet."""
    command = [os.environ["CYCLONEDX_PY"], "requirements", "--pyproject", "pyproject.toml"]
    command += ["--output-reproducible", "--of", "JSON", "--output-file", "-", "-"]
    # A list of pins does not say what the root depends on: below, on all of them.
    done = subprocess.run(
        command,
        cwd=ROOT,
        check=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore::UserWarning"},
        input=pins(files),
        stdout=subprocess.PIPE,
        text=True,
    )
    bill = json.loads(done.stdout)
    for component in bill["components"]:
        del component["description"]  # the line of the lock file once more
    root = bill["metadata"]["component"]["bom-ref"]
    for edge in bill["dependencies"]:
        if edge["ref"] == root:
            edge["dependsOn"] = [component["bom-ref"] for component in bill["components"]]
    return json.dumps(bill)


def sbom(folder: Path) -> None:
    """Writes ``<image>.cdx.json`` for each image."""
    folder.mkdir(parents=True, exist_ok=True)
    for image in IMAGES:
        bill = json.loads(packages(image.requirements))
        described = {"type": "container", "name": image.name, "description": image.title}
        bill["metadata"]["component"].update(described)
        output = folder / f"{image.name}.cdx.json"
        output.write_text(json.dumps(bill, indent=2) + "\n")
        print(f"{output}: {len(bill['components'])} packages")


def audit() -> int:
    """Prints what pip-audit says of all locked packages; 1 if it found something."""
    files = sorted({file for image in IMAGES for file in image.requirements})
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as everything:
        everything.write(pins(files))
        everything.flush()
        command = ["pip_audit", "--require-hashes", "--disable-pip", "--progress-spinner", "off"]
        command += ["--format", "json", "--requirement", everything.name]
        done = subprocess.run(
            [sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True, check=False
        )
    if not done.stdout:  # it has said why
        return done.returncode
    audited = json.loads(done.stdout)["dependencies"]
    skipped = [package["name"] for package in audited if "skip_reason" in package]
    print(f"{len(audited) - len(skipped)} of {len(audited)} packages were audited")
    if skipped:
        print(f"no advisories could be read for {', '.join(skipped)}")
    found = [(package, v) for package in audited for v in package.get("vulns", ())]
    for package, v in found:
        fixed = ", ".join(v["fix_versions"]) or "no version"
        print(f"{package['name']} {package['version']}: {v['id']}, fixed in {fixed}")
    return 1 if found else 0


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
