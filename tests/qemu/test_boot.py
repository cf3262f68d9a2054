"""The boot program: what it refuses to boot, and says."""

from __future__ import annotations

import bz2
import gzip
import lzma
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from machines import ROOT, make_config

from machine import Machine, Result, Verdict

UNIX = ROOT / "build/boot.cpio.d/unix"
ARCHIVE = ROOT / "build/boot.cpio"


def boot(archive: Path) -> Result:
    """How a machine with that archive ends without a word from us."""
    with Machine(make_config(archive=archive)) as machine:
        return machine.finish("")


def pack(folder: Path, *names: str, form: str = "newc") -> Path:
    """An archive of these files of a folder."""
    archive = folder / "archive.cpio"
    archive.write_bytes(subprocess.run(["cpio", "--quiet", "-o", "-H", form], cwd=folder,
                                       input="\n".join(names).encode(), capture_output=True,
                                       check=True).stdout)
    return archive


def refused(archive: Path) -> str:
    """Why the boot program does not take that archive."""
    result = boot(archive)
    assert result.verdict is Verdict.PANIC, str(result)
    return result.reason


def test_no_archive_is_a_panic_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    result = boot(tmp_path / "empty")
    assert result.verdict is Verdict.PANIC
    assert "no boot archive: give QEMU -initrd build/boot.cpio" in result.reason


COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    # Debian's Python has no module for these two: a frame's beginning is what they are known by.
    "zstd": lambda data: b"\x28\xb5\x2f\xfd" + data,
    "lz4": lambda data: b"\x04\x22\x4d\x18" + data,
}


@pytest.mark.parametrize("name", COMPRESSED)
def test_peers_46_a_compressed_archive_is_named_for_what_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / "archive").write_bytes(COMPRESSED[name](ARCHIVE.read_bytes()))
    said = refused(tmp_path / "archive")
    assert f"panic[boot]: the boot archive is compressed with {name}: decompress it" in said


@pytest.mark.parametrize("form, words", [
    ("crc", "is cpio's crc format (070702): make it with cpio -H newc, not crc"),
    ("odc", "is cpio's old portable format (070707): make it with cpio -H newc, not odc"),
    ("bin", "is cpio's old binary format: make it with cpio -H newc, not bin"),
    ("ustar", "is a tar file: make it with cpio -H newc"),
])
def test_peers_46_another_format_is_named_for_what_it_is(tmp_path: Path, form: str,
                                                        words: str) -> None:
    (tmp_path / "unix").write_bytes(UNIX.read_bytes())
    assert f"the boot archive {words}" in refused(pack(tmp_path, "unix", form=form))


@pytest.mark.parametrize("content, words", [
    (UNIX.read_bytes(), "is an ELF file: pack it: make it with cpio -H newc"),
    (b"not an archive" * 20, "is not cpio; it begins with 6e 6f 74 20: make it with cpio -H newc"),
    (b"0707", "has only 4 bytes: make it with cpio -H newc"),
    (b"070701" + b"z" * 200, "is damaged: at 0x0, c_ino is not hexadecimal"),
    (b"070701" + b"f" * 104 + b"unix\0", "is damaged: at 0x0, c_namesize is 0xffffffff, not 1 to"),
    (b"070701" + b"0" * 200, "is damaged: at 0x0, c_namesize is 0x0, not 1 to 0x400"),
], ids=["ELF", "text", "short", "letters", "name too long", "no name"])
def test_what_is_no_archive_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "archive").write_bytes(content)
    assert f"the boot archive {words}" in refused(tmp_path / "archive")


FIELDS = ("c_ino", "c_mode", "c_uid", "c_gid", "c_nlink", "c_mtime", "c_filesize", "c_devmajor",
          "c_devminor", "c_rdevmajor", "c_rdevminor", "c_namesize", "c_check")


@pytest.mark.parametrize("number, name", enumerate(FIELDS))
@pytest.mark.parametrize("bad", ["0x123456", "1234567 ", "-1234567"])
def test_a_field_that_is_not_hexadecimal_is_named(tmp_path: Path, number: int, name: str,
                                                  bad: str) -> None:
    archive = bytearray(ARCHIVE.read_bytes())
    member = archive.index(b"070701", 6)  # the second
    archive[member + 6 + 8 * number:member + 14 + 8 * number] = bad.encode()
    (tmp_path / "archive").write_bytes(archive)
    assert f"the boot archive is damaged: at {member:#x}, {name} is not hexadecimal" in \
        refused(tmp_path / "archive")


@pytest.mark.parametrize("part, words", [
    (0.5, "is cut off: modules/capstone.ko has 0x"),
    (0.9999, "is cut off: "),
])
def test_peers_46_an_archive_that_is_cut_off_is_said_to_be(tmp_path: Path, part: float,
                                                          words: str) -> None:
    whole = ARCHIVE.read_bytes().rstrip(b"\0")
    (tmp_path / "archive").write_bytes(whole[:int(len(whole) * part)])
    assert f"the boot archive {words}" in refused(tmp_path / "archive")


def test_an_archive_may_be_cut_nowhere_but_in_its_padding(tmp_path: Path) -> None:
    (tmp_path / "unix").write_bytes(UNIX.read_bytes())
    whole = pack(tmp_path, "unix").read_bytes()
    end = whole.rindex(b"TRAILER!!!") + 11
    for cut in (end - 1, end - 11, end - 11 - 110, end - 11 - 111):
        (tmp_path / "archive").write_bytes(whole[:cut])
        assert "the boot archive is cut off: " in refused(tmp_path / "archive")
    (tmp_path / "archive").write_bytes(whole[:(end + 3) & ~3])
    with Machine(make_config(archive=tmp_path / "archive")) as machine:
        machine.boot()


def test_two_archives_in_one_file_are_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(ARCHIVE.read_bytes() * 2)
    assert f"goes on at {len(ARCHIVE.read_bytes()):#x}, after TRAILER!!!" in \
        refused(tmp_path / "archive")


def test_a_header_that_is_overwritten_is_said_to_be(tmp_path: Path) -> None:
    archive = ARCHIVE.read_bytes()
    member = archive.index(b"070701", 6)
    (tmp_path / "archive").write_bytes(archive[:member] + b"X" + archive[member + 1:])
    assert f"is damaged: at {member:#x} there is no header (070701)" in \
        refused(tmp_path / "archive")


def test_an_archive_without_unix_is_a_panic(tmp_path: Path) -> None:
    (tmp_path / "readme").write_text("nothing here")
    assert "no unix in the boot archive; its first member is readme" in \
        refused(pack(tmp_path, "readme"))


def test_names_may_begin_with_a_dot_and_a_slash(tmp_path: Path) -> None:
    """As `find .` gives them."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "unix").write_bytes(UNIX.read_bytes())
    (tmp_path / "modules/ring.ko").write_bytes((ROOT / "build/modules/ring.ko").read_bytes())
    with Machine(make_config(archive=pack(tmp_path, "./unix", "./modules/ring.ko"))) as machine:
        machine.boot()
        assert "in the archive: ring\n" in machine.command("modinfo")
        assert "ring: loaded" in machine.command("modload ring")


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
    with Machine(make_config(archive=pack(tmp_path, "unix"))) as machine:
        machine.boot()
        assert "in the archive:\n" in machine.command("modinfo")
        assert machine.finish().verdict is Verdict.PASS


@pytest.mark.parametrize("mem", ["4M", "1G", "3G"])
@pytest.mark.parametrize("kind", ["q35", "microvm"])
def test_little_and_much_memory_both_do(mem: str, kind: str) -> None:
    with Machine(make_config(mem=mem, machine=kind, archive=ARCHIVE)) as machine:
        machine.boot()
        assert "modload: " not in machine.command("modload ring")
        assert machine.finish().verdict is Verdict.PASS
