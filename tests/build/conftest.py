"""A copy of the tree and of what is built in it, in a folder whose name is hard on makefiles."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("Makefile", "alternatives", "dsl", "kernel", "loader", "generated", "tests")
BUILT = ("bin", "host", "kernel", "modules", "user", "boot.cpio", "boot.cpio.d", "names.checked",
         "boot.cpio.command", "names.checked.command")
LIMIT = 600.0  # seconds; a make that does not end is a failure


class Tree:
    """The copy. Everything in it may be changed; `changed` puts back what it was."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        leave_out = shutil.ignore_patterns("__pycache__", "corpus", "crashes", "golden")
        for name in SOURCES:
            if (ROOT / name).is_file():
                shutil.copy2(ROOT / name, folder / name)
            else:
                shutil.copytree(ROOT / name, folder / name, ignore=leave_out)
        (folder / "build").mkdir()
        for name in BUILT:
            source = ROOT / "build" / name
            assert source.exists(), f"{source}: not built; `make all` builds it"
            if source.is_dir():
                shutil.copytree(source, folder / "build" / name)
            else:
                shutil.copy2(source, folder / "build" / name)

    def make(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """make in the copy, with nothing of the make that may run the tests."""
        ours = {name: value for name, value in os.environ.items()
                if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "V", "CC",
                                "CFLAGS", "CPPFLAGS", "LDFLAGS", "NASMFLAGS")}
        return subprocess.run(["make", *words], cwd=self.folder, env=ours | environment, text=True,
                              capture_output=True, timeout=LIMIT, stdin=subprocess.DEVNULL)

    def rebuilt(self, *words: str, **environment: str) -> set[str]:
        """What `make all` would do: "CC kernel/main.c", "LD build/kernel/unix.o" …"""
        done = self.make("-n", "all", *words, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return {" ".join(line.split()) for line in re.findall(r'^echo "  (.*)"$', done.stdout,
                                                              re.MULTILINE)}

    @contextmanager
    def changed(self, *names: str) -> Iterator[list[Path]]:
        """These files, which the caller changes, deletes or makes; put back at the end."""
        paths = [self.folder / name for name in names]
        paths += [path for path in (self.folder / "generated").iterdir() if path not in paths]
        saved = {path: (path.read_bytes(), path.stat()) for path in paths if path.exists()}
        try:
            yield paths[:len(names)]
        finally:
            for path in paths:
                path.unlink(missing_ok=True)
            for path, (data, status) in saved.items():
                path.write_bytes(data)
                os.chmod(path, status.st_mode)
                os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.fixture(scope="session", name="tree")
def fixture_tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """One copy for all tests."""
    folder = tmp_path_factory.mktemp("tree") / "it's a $(HOME) of #1: 50%"
    folder.mkdir()
    return Tree(folder)
