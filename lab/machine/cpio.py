# SPDX-License-Identifier: GPL-2.0-only
"""Writes initramfs archives ("newc" cpio), device nodes included, without root."""

import stat

_TRAILER = "TRAILER!!!"


def _pad(length: int) -> bytes:
    return b"\0" * (-length % 4)


class Archive:
    """Collects the entries of one archive; parents of a file are made as needed."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._names: set[str] = set()
        self._inode = 0

    def _entry(self, name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)) -> None:
        self._inode += 1
        encoded = name.encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0,
                  device[0], device[1], len(encoded), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields)
        self._parts += [header, encoded, _pad(len(header) + len(encoded)),
                        data, _pad(len(data))]
        self._names.add(name)

    def directory(self, name: str) -> None:
        name = name.strip("/")
        if not name or name in self._names:
            return
        self.directory(name.rpartition("/")[0])
        self._entry(name, stat.S_IFDIR | 0o755)

    def file(self, name: str, data: bytes, mode: int = 0o644) -> None:
        name = name.strip("/")
        self.directory(name.rpartition("/")[0])
        self._entry(name, stat.S_IFREG | mode, data)

    def symlink(self, name: str, target: str) -> None:
        name = name.strip("/")
        self.directory(name.rpartition("/")[0])
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def char_device(self, name: str, major: int, minor: int) -> None:
        name = name.strip("/")
        self.directory(name.rpartition("/")[0])
        self._entry(name, stat.S_IFCHR | 0o600, device=(major, minor))

    def data(self) -> bytes:
        """The whole archive. The archive can still grow afterwards."""
        kept = len(self._parts), self._inode
        self._entry(_TRAILER, 0)
        whole = b"".join(self._parts)
        del self._parts[kept[0]:]
        self._inode = kept[1]
        self._names.discard(_TRAILER)
        return whole
