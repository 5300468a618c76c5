"""Generates suggestion/api/v1beta1/ from proto/api.proto; with an argument, into that folder."""

from __future__ import annotations

import sys
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent


def generate(root: Path) -> None:
    """Writes ``suggestion/api/v1beta1/api_pb2*.py*`` below `root`."""
    (root / "suggestion" / "api" / "v1beta1").mkdir(parents=True, exist_ok=True)
    # The virtual path makes the generated modules import each other inside their package.
    status = protoc.main(
        [
            "protoc",
            f"--proto_path=suggestion/api/v1beta1={ROOT / 'proto'}",
            f"--python_out={root}",
            f"--pyi_out={root}",
            f"--grpc_python_out={root}",
            "suggestion/api/v1beta1/api.proto",
        ]
    )
    if status:
        raise SystemExit(status)


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
