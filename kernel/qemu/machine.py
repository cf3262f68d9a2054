"""A machine in QEMU: starts it, talks to the kernel's prompt, and tells how it ended.

Used by run.py and by tests/qemu. The serial console and QEMU's own control channel (QMP) are
socket pairs, so nothing is left behind on disk; what QEMU itself says is kept for messages.

QEMU 7.2's TCG, with which this was written, lacks FSRM, INVPCID, PCID, RDPID, XSAVEC, XSAVES,
RDSEED, WAITPKG, SERIALIZE and x2APIC, whatever -cpu asks for; it warns and goes on, and the guest
sees a CPU without them.
"""

from __future__ import annotations

import contextlib
import ctypes
import enum
import json
import select
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROMPT = b"\nhotinline> "
DEBUGGER = b"\n[0]> "  # the debugger's prompt while the system is stopped
LIVE = b"\n> "  # and of `mdb -k`
OVMF = "/usr/share/ovmf/OVMF.fd"  # UEFI for QEMU, Debian's package ovmf
PR_SET_PDEATHSIG = 1  # prctl(2)
# The one limit of all waits, here and in tests/. They wait for a condition and never for a while; this
# is what the busiest host may take to fulfil it, in seconds. What takes longer hangs.
LIMIT = 300.0
POLL = 0.01  # seconds between two looks at a condition that nothing announces


class Verdict(enum.Enum):
    """How a run ended; each means something else for the one who must act on it."""

    PASS = "pass"
    FAIL = "fail"
    PANIC = "panic"
    TRIPLE_FAULT = "triple fault"
    HANG = "hang"
    BROKEN_EMULATOR = "broken emulator"


# isa-debug-exit makes (value << 1) | 1 of what the kernel writes: enum verdict in kernel/defs.h.
STATUS = {0x10 << 1 | 1: Verdict.PASS, 0x11 << 1 | 1: Verdict.FAIL, 0x12 << 1 | 1: Verdict.PANIC}


@dataclass(frozen=True)
class Config:
    """Which machine: what `make run` and the tables of tests/qemu choose."""

    cpu: str = "max"
    args: str = ""
    machine: str = "q35"
    smp: str = "1"
    mem: str = "128M"
    kernel: Path = ROOT / "build/kernel/boot.elf"
    archive: Path = ROOT / "build/boot.cpio"
    qemu: str = "qemu-system-x86_64"
    extra: tuple[str, ...] = ()
    iso: Path | None = None  # what iso.py made, with kernel, archive and args in it
    uefi: bool = False  # instead of BIOS, for an ISO

    def title(self) -> str:
        """As a heading: "max, disable_smap=1"."""
        words = [self.cpu] + [self.machine] * (self.machine != "q35")
        words += [self.boot()] * bool(self.iso)
        words += [f"{self.smp} CPUs"] * (self.smp != "1") + [self.args] * bool(self.args)
        return ", ".join(words)

    def boot(self) -> str:
        """How the kernel is loaded."""
        return ("UEFI" if self.uefi else "BIOS") if self.iso else "PVH"

    def files(self) -> list[Path]:
        """What must be there before it can start."""
        return [self.iso] if self.iso else [self.kernel, self.archive]

    def command(self, serial: int, qmp: int) -> list[str]:
        """QEMU's command line; serial and qmp are file descriptors of sockets."""
        medium = ["-kernel", str(self.kernel), "-initrd", str(self.archive), "-append", self.args]
        if self.iso:
            medium = ["-cdrom", str(self.iso)] + ["-bios", OVMF] * self.uefi
        return [
            self.qemu, "-accel", "tcg", "-machine", self.machine, "-cpu", self.cpu,
            "-smp", self.smp, "-m", self.mem, "-display", "none", "-nodefaults", "-no-reboot",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
            "-chardev", f"socket,id=serial,fd={serial}", "-serial", "chardev:serial",
            "-chardev", f"socket,id=qmp,fd={qmp}", "-mon", "chardev=qmp,mode=control",
            *medium, *self.extra,
        ]


@dataclass
class Result:
    """The end of a run: the verdict, and what it rests on."""

    verdict: Verdict
    reason: str
    status: int | None
    console: str
    messages: str = ""

    def __str__(self) -> str:
        return f"{self.verdict.value}: {self.reason}"


class Ended(Exception):
    """The machine ended, or hung, while somebody was waiting for its prompt."""

    def __init__(self, result: Result) -> None:
        super().__init__(str(result))
        self.result = result


def die_with_parent() -> None:
    """Runs in the child: a guest that polls its console would otherwise outlive a killed parent."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def judge(status: int, console: str, shutdown: str, messages: str) -> tuple[Verdict, str]:
    """The verdict on a QEMU that ended by itself, and why.

    status is its exit status (negative: a signal), console all that the guest printed, shutdown
    QMP's reason for the end ("" if it gave none). A good end needs the status and the line.
    """
    said = next((v for v in (Verdict.PASS, Verdict.FAIL, Verdict.PANIC)
                 if f"hotinline: verdict {v.value}" in console), None)
    told = STATUS.get(status)
    if told and told == said:
        return told, {
            Verdict.PASS: "the guest says so, and QEMU's status agrees",
            Verdict.FAIL: next((line for line in console.splitlines() if "FAIL" in line),
                               "the guest says so"),
            Verdict.PANIC: next((line for line in console.splitlines() if "panic[" in line),
                                "the guest says so"),
        }[told]
    if status == 0 and shutdown == "guest-reset":
        return Verdict.TRIPLE_FAULT, "the CPU reset itself: no verdict, QEMU's status is 0"
    if told:
        return Verdict.FAIL, f"QEMU's status says {told.value}, the console does not"
    said_why = [line for line in messages.splitlines() if "warning:" not in line]
    if status < 0:
        return Verdict.BROKEN_EMULATOR, f"QEMU was ended by signal {-status}"
    return Verdict.BROKEN_EMULATOR, (f"QEMU ended with status {status}: "
                                     f"{(said_why or ['it said nothing'])[0]}")


@dataclass
class Machine:
    """A running machine. Use it in a `with`: leaving that ends it in any case.

    timeout: seconds that one wait may take; what takes longer is a hang.
    """

    config: Config
    timeout: float = LIMIT
    console: str = ""
    result: Result | None = None
    _buffer: bytes = b""
    _qmp_buffer: bytes = b""
    _events: list[dict[str, Any]] = field(default_factory=list)
    _process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Machine:
        for path in self.config.files():
            if not path.exists():
                raise FileNotFoundError(f"{path}: not built; `make all` builds it")
        self._serial, serial = socket.socketpair()
        self._qmp, qmp = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                self.config.command(serial.fileno(), qmp.fileno()),
                pass_fds=(serial.fileno(), qmp.fileno()), preexec_fn=die_with_parent,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except OSError as error:
            reason = f"cannot run {self.config.qemu}: {error.strerror}"
            self.result = Result(Verdict.BROKEN_EMULATOR, reason, None, "")
        finally:
            serial.close()
            qmp.close()
        with contextlib.suppress(OSError):  # a QEMU that is gone says why in finish()
            self.qmp("qmp_capabilities")
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.kill()

    def kill(self) -> None:
        """Ends QEMU if it still runs, and closes its channels."""
        if self._process:
            self._process.kill()
            self._process.wait()
            if self._process.stdout:
                self._process.stdout.close()
        self._serial.close()
        self._qmp.close()

    @property
    def pid(self) -> int:
        """QEMU's process."""
        assert self._process
        return self._process.pid

    def fileno(self) -> int:
        """The serial console, for somebody who wants to wait for it."""
        return self._serial.fileno()

    def send(self, data: bytes) -> None:
        """Types into the console."""
        try:
            self._serial.sendall(data)
        except OSError:
            self._end()

    def receive(self, seconds: float) -> bytes:
        """What the console prints next; b"" if nothing comes in that time. Raises Ended at the end."""
        if self.result:
            raise Ended(self.result)
        ready, _, _ = select.select([self._serial], [], [], max(0.0, seconds))
        if not ready:
            return b""
        try:
            data = self._serial.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self._end()
        self.console += data.decode("utf-8", "replace").replace("\r", "")
        return data

    def read_until(self, wanted: bytes) -> str:
        """All that the console prints up to `wanted`. Raises Ended."""
        self.wait_until(lambda: wanted in self._buffer, repr(wanted.decode().strip()), self.timeout)
        text, self._buffer = self._buffer.split(wanted, 1)
        return text.decode("utf-8", "replace")

    def wait_until(self, condition: Callable[[], bool], what: str, poll: float = POLL) -> None:
        """Reads the console until the condition holds, which may be late but within the limit; it is
        looked at when something was printed, and every `poll` seconds. Raises Ended."""
        end = time.monotonic() + self.timeout
        while not condition():
            left = end - time.monotonic()
            if left <= 0:
                raise Ended(self._hung(f"waited for {what}"))
            self._buffer += self.receive(min(poll, left)).replace(b"\r", b"")

    def boot(self) -> str:
        """Waits for the first prompt. Returns what was printed before it."""
        return self.read_until(PROMPT)

    def command(self, line: str) -> str:
        """Runs a command of the guest and returns its output, without echo and prompt."""
        self.send(line.encode() + b"\r")
        output = self.read_until(PROMPT).partition("\n")[2]
        return output + "\n" if output else ""

    def finish(self, line: str = "poweroff") -> Result:
        """Types a last command (none if empty) and waits for the end."""
        try:
            if line:
                self.send(line.encode() + b"\r")
            self.wait_until(lambda: False, f"the end after {line!r}", self.timeout)
        except Ended as ended:
            return ended.result
        raise AssertionError("wait_until ends by Ended")

    def _hung(self, doing: str) -> Result:
        assert self._process
        self._process.kill()
        self._process.wait()
        last = self.console.strip().splitlines()[-1:] or ["nothing at all"]
        self.result = Result(Verdict.HANG, f"{self.timeout:g} s are over; {doing}; the last line "
                             f"was: {last[0]}", None, self.console)
        return self.result

    def _end(self) -> None:
        """The console was closed: QEMU ends. Raises Ended."""
        assert self._process and self._process.stdout
        try:
            status = self._process.wait(self.timeout)
        except subprocess.TimeoutExpired:
            raise Ended(self._hung("the console is closed, but QEMU runs")) from None
        messages = self._process.stdout.read().decode("utf-8", "replace")
        verdict, reason = judge(status, self.console, self._shutdown_reason(), messages)
        self.result = Result(verdict, reason, status, self.console, messages)
        raise Ended(self.result)

    # ---- QEMU's own view of the machine ----

    def _qmp_message(self) -> dict[str, Any]:
        while b"\n" not in self._qmp_buffer:
            self._qmp.settimeout(self.timeout)
            data = self._qmp.recv(65536)
            if not data:
                raise ConnectionError("QMP is closed")
            self._qmp_buffer += data
        line, self._qmp_buffer = self._qmp_buffer.split(b"\n", 1)
        message: dict[str, Any] = json.loads(line)
        if "event" in message:
            self._events.append(message)
        return message

    def _shutdown_reason(self) -> str:
        try:
            while True:
                self._qmp_message()
        except OSError:
            pass
        return next((event["data"]["reason"] for event in self._events
                     if event["event"] == "SHUTDOWN"), "")

    def qmp(self, execute: str, **arguments: Any) -> Any:
        """Runs a QMP command and returns its answer."""
        request = json.dumps({"execute": execute, "arguments": arguments})
        self._qmp.sendall(request.encode() + b"\n")
        while True:
            message = self._qmp_message()
            if "error" in message:
                raise RuntimeError(f"QMP {execute}: {message['error']['desc']}")
            if "return" in message:
                return message["return"]

    def monitor(self, line: str) -> str:
        """Runs a command of QEMU's human monitor, such as `info tlb`."""
        text: str = self.qmp("human-monitor-command", **{"command-line": line})
        return text.replace("\r", "")

    def memory(self, address: int, size: int) -> bytes:
        """Guest memory at a virtual address, read by QEMU and not by the guest."""
        with tempfile.NamedTemporaryFile(prefix="hotinline-") as file:
            said = self.monitor(f'memsave {address:#x} {size} "{file.name}"')
            data = file.read()
        if len(data) != size:
            raise ValueError(f"{size} bytes at {address:#x} cannot be read: {said.strip()}")
        return data
