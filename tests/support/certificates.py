"""Certificates of an authority of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import trustme


def issue(folder: Path, *hosts: str, names: Sequence[str] = ("server", "client")) -> Path:
    """Write ``ca.pem``, and for each of `names` a certificate for `hosts` and its key.

    Returns:
        The folder, with ``NAME.pem`` and ``NAME.key`` in it.
    """
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name in names:
        issued = authority.issue_cert(*hosts, common_name=name)
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
        issued.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
    return folder
