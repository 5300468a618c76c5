"""Runs the example clients in other languages against a server: they know only proto/api.proto."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from suggestion.client.asking import local_server

ROOT = Path(__file__).resolve().parent.parent
NODE = ROOT / "examples" / "clients" / "node"


def main() -> None:
    """Exits with a message unless every client gets what the contract promises."""
    if shutil.which("npm") is None:
        sys.exit("npm is not installed: the Node client cannot be tried")
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=NODE, check=True)
    for algorithm in ("random", "sobol"):
        with local_server(algorithm) as address:
            done = subprocess.run(
                ["node", "client.js", address, algorithm],
                cwd=NODE,
                check=True,
                text=True,
                stdout=subprocess.PIPE,
            )
        points = [json.loads(line) for line in done.stdout.splitlines()]
        inside = all(
            1e-5 <= float(p["lr"]) <= 0.1
            and p["layers"] in set("12345678")
            and p["optimizer"] in {"sgd", "adam", "ftrl"}
            for p in points
        )
        if len(points) != 5 or not inside or len({json.dumps(p) for p in points}) != 5:
            sys.exit(f"{algorithm}: the Node client got {points}")
        print(f"{algorithm}: the Node client got 5 different points of the space")


if __name__ == "__main__":
    main()
