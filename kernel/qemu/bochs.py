"""A machine in Bochs: a second, independent implementation of SMAP and of CPUID.

Bochs has CPU models that QEMU lacks. It boots the ISO; the serial port is a TCP connection that
it opens to us. Without QEMU's exit device the verdict rests on what the guest prints; then we end
Bochs. Debian's stops in its own debugger first; a command file tells it to go on. Used by smap.py.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from machine import LIMIT, POLL, Config, Ended, Machine, Result, Verdict, die_with_parent

VERDICT = re.compile(r"^hotinline: verdict (pass|fail|panic)$", re.MULTILINE)
BIOS = ("/usr/share/bochs/BIOS-bochs-latest", "/usr/share/seabios/bios.bin")
VGA = ("/usr/share/bochs/VGABIOS-lgpl-latest", "/usr/share/seabios/vgabios-stdvga.bin")

# `clock: none` lets the guest run as fast as the host can; a triple fault stops it with a message.
SETTINGS = """\
megs: 128
cpu: model={cpu}, count=1, ips=200000000, reset_on_triple_fault=0
clock: sync=none
romimage: file={bios}
vgaromimage: file={vga}
ata0-master: type=cdrom, path={iso}, status=inserted
boot: cdrom
com1: enabled=1, mode=socket-client, dev=127.0.0.1:{port}
display_library: term
sound: driver=dummy
log: {folder}/log
panic: action=fatal
"""


def _first(paths: tuple[str, ...]) -> str:
    return next((path for path in paths if Path(path).exists()), paths[0])


class Bochs(Machine):
    """A machine of which config gives cpu, one of Bochs' models, and iso."""

    def __init__(self, config: Config, timeout: float = LIMIT) -> None:
        super().__init__(config, timeout)
        self._folder = tempfile.TemporaryDirectory(prefix="hotinline-")

    def __enter__(self) -> Bochs:
        self._serial, self._qmp = socket.socketpair()  # until Bochs calls
        folder = Path(self._folder.name)
        with socket.create_server(("127.0.0.1", 0)) as server:
            (folder / "settings").write_text(SETTINGS.format(
                cpu=self.config.cpu, bios=_first(BIOS), vga=_first(VGA), iso=self.config.iso,
                port=server.getsockname()[1], folder=folder))
            (folder / "continue").write_text("c\n")
            self._start(folder)
            self._accept(server)
        return self

    def _accept(self, server: socket.socket) -> None:
        """Waits until Bochs opens its serial port, or ends, or takes too long."""
        server.settimeout(POLL)  # between two looks at Bochs itself
        last = time.monotonic() + self.timeout
        while self._process and self._process.poll() is None and time.monotonic() < last:
            with contextlib.suppress(TimeoutError):
                serial, _ = server.accept()
                self._serial.close()
                self._serial = serial
                return
        if not self.result:
            self._give_up("it did not open its serial port")

    def _start(self, folder: Path) -> None:
        try:
            self._process = subprocess.Popen(
                ["bochs", "-q", "-rc", str(folder / "continue"), "-f", str(folder / "settings")],
                preexec_fn=die_with_parent, stdin=subprocess.DEVNULL,
                stdout=(folder / "screen").open("wb"), stderr=subprocess.STDOUT,
                start_new_session=True, env={**os.environ, "TERM": "vt100"})
        except OSError as error:
            self._give_up(f"cannot run it: {error.strerror}")

    def _give_up(self, why: str) -> None:
        log = Path(self._folder.name) / "log"
        said = log.read_text(errors="replace") if log.exists() else ""
        told = [line for line in said.splitlines() if re.match(r"\d+[pe]\[", line)]
        self.result = Result(Verdict.BROKEN_EMULATOR,
                             f"Bochs: {why}{''.join(f'; {line}' for line in told[-1:])}", None,
                             self.console, said)

    def kill(self) -> None:
        super().kill()
        self._folder.cleanup()

    def receive(self, seconds: float) -> bytes:
        found = VERDICT.search(self.console)
        if found and not self.result:
            verdict = Verdict(found[1])
            panic = re.search(r"^panic\[.*", self.console, re.MULTILINE)
            reason = panic[0] if panic and verdict is Verdict.PANIC else "the guest says so"
            self.result = Result(verdict, reason, None, self.console)
        return super().receive(seconds)

    def _end(self) -> None:
        self._give_up("it ended")
        assert self.result
        raise Ended(self.result)
