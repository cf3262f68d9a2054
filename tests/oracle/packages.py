"""Debian packages for the corpus: fetched by apt-get download and unpacked below build/corpus. What
is there already is not fetched again. Used by corpus.py.
"""

from __future__ import annotations

import lzma
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

META = "linux-image-amd64"


class CannotFetch(Exception):
    """A package cannot be had; the message says which, why and what to do."""


def _run(command: list[str], folder: Path) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    except OSError as error:
        raise CannotFetch(f"cannot run {command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-3:]
        raise CannotFetch(f"{' '.join(command)}: {' '.join(last) or f'status {done.returncode}'}")
    return done.stdout


class Packages:
    """The packages below a folder."""

    def __init__(self, folder: Path, kernel: str, say: Callable[[str], None]) -> None:
        self.folder, self.say, self.chosen = folder, say, kernel
        self.versions: dict[str, str] = {}

    def kernel(self) -> str:
        """The package that holds the modules: one that is there, or the newest."""
        there = sorted((self.folder / "debs").glob("linux-image-*.deb"))
        if not self.chosen and there:
            self.chosen = there[-1].name.split("_")[0]
        if not self.chosen:
            found = re.search(
                r"^Depends:.*?(linux-image-[\w.+-]+)", self.ask("apt-cache", "show", META), re.M
            )
            if not found:
                raise CannotFetch(f"{META} depends on no linux-image: name one with KERNEL=")
            self.chosen = found[1]
        return self.chosen

    def ask(self, *command: str) -> str:
        try:
            return _run(list(command), Path("/"))
        except CannotFetch as error:
            raise CannotFetch(f"{error}; `apt-get update' may help") from error

    def fetch(self, package: str) -> Path:
        """The package's file."""
        debs = self.folder / "debs"
        debs.mkdir(parents=True, exist_ok=True)
        there = sorted(debs.glob(f"{package}_*.deb"))
        if not there:
            self.say(f"fetching {package}")
            partial = debs / "partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            try:
                _run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", package],
                     partial)
            except CannotFetch as error:
                raise CannotFetch(
                    f"{package} cannot be fetched: {error}; the corpus needs the network once, and"
                    " package lists (`apt-get update'). ONLY=compiled needs neither."
                ) from error
            there = [file.rename(debs / file.name) for file in partial.glob("*.deb")]
            partial.rmdir()
        if not there:
            raise CannotFetch(f"apt-get download {package} brought nothing")
        self.versions[package] = there[-1].name.split("_")[1].replace("%3a", ":")
        return there[-1]

    def unpack(self, package: str) -> Path:
        """A folder with the package's files."""
        deb = self.fetch(package)
        folder = self.folder / "unpacked" / deb.stem
        if folder.exists():
            return folder
        self.say(f"unpacking {deb.name}")
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        _run(["dpkg-deb", "-x", str(deb), "."], partial)
        for file in partial.rglob("*.ko.xz"):
            file.with_suffix("").write_bytes(lzma.decompress(file.read_bytes()))
            file.unlink()
        partial.rename(folder)
        return folder
