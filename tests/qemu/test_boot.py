"""The boot program: what it refuses to boot, and says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from machines import ROOT, SECONDS, make_config

from machine import Machine, Result, Verdict

UNIX = ROOT / "build/boot.cpio.d/unix"


def boot(archive: Path) -> Result:
    """How a machine with that archive ends without a word from us."""
    with Machine(make_config(archive=archive), SECONDS) as machine:
        return machine.finish("")


def pack(folder: Path, *names: str) -> Path:
    """An archive of these files of a folder."""
    archive = folder / "archive.cpio"
    archive.write_bytes(subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=folder,
                                       input="\n".join(names).encode(), capture_output=True,
                                       check=True).stdout)
    return archive


def test_no_archive_is_a_panic_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    result = boot(tmp_path / "empty")
    assert result.verdict is Verdict.PANIC
    assert "no boot archive: give QEMU -initrd build/boot.cpio" in result.reason


@pytest.mark.parametrize("content", [b"not an archive" * 20, b"070701" + b"z" * 200,
                                     b"070701" + b"f" * 104 + b"unix\0"])
def test_what_is_no_archive_has_no_unix_in_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "archive").write_bytes(content)
    result = boot(tmp_path / "archive")
    assert result.verdict is Verdict.PANIC and "no unix in the boot archive" in result.reason


def test_an_archive_without_unix_is_a_panic(tmp_path: Path) -> None:
    (tmp_path / "readme").write_text("nothing here")
    result = boot(pack(tmp_path, "readme"))
    assert result.verdict is Verdict.PANIC and "no unix in the boot archive" in result.reason


@pytest.mark.parametrize("keep", [0, 1, 63, 64, 5000, -1])
def test_a_truncated_unix_is_refused_by_krtld(tmp_path: Path, keep: int) -> None:
    (tmp_path / "unix").write_bytes(UNIX.read_bytes()[:keep])
    result = boot(pack(tmp_path, "unix"))
    assert result.verdict is Verdict.PANIC and "krtld refused unix" in result.reason
    assert "krtld: unix: " in result.console


def test_a_module_is_no_unix(tmp_path: Path) -> None:
    (tmp_path / "unix").write_bytes((ROOT / "build/modules/ring.ko").read_bytes())
    result = boot(pack(tmp_path, "unix"))
    assert result.verdict is Verdict.PANIC and "unix" in result.reason


def test_unix_alone_boots(tmp_path: Path) -> None:
    (tmp_path / "unix").write_bytes(UNIX.read_bytes())
    with Machine(make_config(archive=pack(tmp_path, "unix")), SECONDS) as machine:
        machine.boot()
        assert "in the archive:\n" in machine.command("modinfo")
        assert machine.finish().verdict is Verdict.PASS


@pytest.mark.parametrize("mem", ["4M", "1G", "3G"])
@pytest.mark.parametrize("kind", ["q35", "microvm"])
def test_little_and_much_memory_both_do(mem: str, kind: str) -> None:
    with Machine(make_config(mem=mem, machine=kind), SECONDS) as machine:
        machine.boot()
        assert "modload: " not in machine.command("modload ring")
        assert machine.finish().verdict is Verdict.PASS
