"""What kind of disk a folder is on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

#: File systems that several machines see.
_SHARED: Final = frozenset(
    {
        *("afs", "beegfs", "ceph", "cifs", "fuse.ceph", "fuse.glusterfs", "fuse.juicefs"),
        *("fuse.sshfs", "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "orangefs", "panfs"),
        *("pvfs2", "smb3", "smbfs", "wekafs"),
    }
)


def shared(folder: Path) -> bool:
    """Return whether other machines may see `folder` too, by the name of its file system."""
    try:
        number = folder.stat().st_dev
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    device = f"{os.major(number)}:{os.minor(number)}"
    for line in mounts.splitlines():
        mount, _, source = line.partition(" - ")
        fields = mount.split()
        if len(fields) > 2 and fields[2] == device:
            return source.split(" ", 1)[0] in _SHARED
    return False
