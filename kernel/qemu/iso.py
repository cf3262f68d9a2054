#!/usr/bin/python3
"""Makes an ISO image with GRUB, the boot program and the boot archive. `make iso` calls it.

It boots under BIOS and under UEFI, from a CD or a USB stick, in an emulator or on a real PC; the
console is the first serial port, 115200 baud. Used by smap.py, which wants boot arguments in it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KERNEL = ROOT / "build/kernel/boot.elf"
ARCHIVE = ROOT / "build/boot.cpio"

# GRUB itself stays silent on the serial port: there the guest speaks.
MENU = """\
set timeout=0
menuentry hotinline {{
	multiboot2 /boot/boot.elf {args}
	module2 /boot/boot.cpio
}}
"""


class IsoError(Exception):
    """grub-mkrescue is missing, or refused."""


def make_iso(out: Path, args: str = "", kernel: Path = KERNEL, archive: Path = ARCHIVE) -> None:
    """Writes the image. args: boot arguments."""
    for path in (kernel, archive):
        if not path.exists():
            raise IsoError(f"{path}: not built; `make all` builds it")
    with tempfile.TemporaryDirectory(prefix="hotinline-") as name:
        boot = Path(name) / "boot"
        (boot / "grub").mkdir(parents=True)
        (boot / "boot.elf").write_bytes(kernel.read_bytes())
        (boot / "boot.cpio").write_bytes(archive.read_bytes())
        (boot / "grub/grub.cfg").write_text(MENU.format(args=args))
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            done = subprocess.run(["grub-mkrescue", "-o", str(out), name], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, check=False)
        except OSError as error:
            raise IsoError(f"grub-mkrescue: {error.strerror}; `make setup` installs it") from None
    if done.returncode:
        raise IsoError(f"grub-mkrescue: status {done.returncode}\n{done.stderr.strip()}")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--args", default="", help="boot arguments, such as disable_smap=1")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    try:
        make_iso(arguments.out, arguments.args)
    except IsoError as error:
        print(f"iso.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
