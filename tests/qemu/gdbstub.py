"""QEMU's GDB server, as far as the tests need it: breakpoints, single steps, registers, memory.

The remote protocol is in GDB's manual, appendix E; `Qqemu.sstep` is QEMU's own. Non-maskable
interrupts that QMP injects while the machine is stopped come before the next instruction.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from machine import Machine

RIP = 16  # its place in the answer to `g`, in words of 8 bytes
SSTEP_ENABLE = 1  # without NOIRQ, NOTIMER: interrupts come during a step, too


def options(folder: Path) -> tuple[str, ...]:
    """What makes QEMU wait, stopped, for a Debugger in that folder."""
    return ("-S", "-gdb", f"unix:{folder / 'gdb'},server=on,wait=off")


class Debugger:
    """A connection. Leaving it lets the machine go on."""

    def __init__(self, machine: Machine, folder: Path, seconds: float) -> None:
        self.machine = machine
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(seconds)
        self._socket.connect(str(folder / "gdb"))
        self._buffer = b""
        self.ask(f"Qqemu.sstep={SSTEP_ENABLE:x}", "OK")
        self.ask("?", None)

    def __enter__(self) -> Debugger:
        return self

    def __exit__(self, *_: Any) -> None:
        self._send("D")
        self._socket.close()

    def _send(self, text: str) -> None:
        data = text.encode()
        self._socket.sendall(b"$" + data + b"#%02x" % (sum(data) & 0xff))

    def _receive(self) -> str:
        while b"#" not in self._buffer or len(self._buffer) < self._buffer.index(b"#") + 3:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("QEMU is gone")
            self._buffer += data
        end = self._buffer.index(b"#")
        text = self._buffer[self._buffer.index(b"$") + 1:end]
        self._buffer = self._buffer[end + 3:]
        self._socket.sendall(b"+")
        return text.decode()

    def ask(self, text: str, wanted: str | None) -> str:
        """Sends a packet and returns the answer, which must be the one that is wanted."""
        self._send(text)
        answer = self._receive()
        assert wanted is None or answer == wanted, f"{text}: {answer}"
        return answer

    def step(self) -> int:
        """Runs one instruction; where the machine is then."""
        assert self.ask("s", None).startswith("T05")
        return self.rip()

    def run_to(self, address: int) -> None:
        """Goes on until an instruction is about to run."""
        self.ask(f"Z1,{address:x},1", "OK")
        assert self.ask("c", None).startswith("T05")
        self.ask(f"z1,{address:x},1", "OK")
        assert self.rip() == address

    def rip(self) -> int:
        """The instruction pointer. QEMU sends the registers of 32-bit mode in another order."""
        words = self.ask("g", None)
        if len(words) < 1000:
            return int.from_bytes(bytes.fromhex(words)[32:36], "little")
        return int.from_bytes(bytes.fromhex(words)[8 * RIP:8 * RIP + 8], "little")

    def write(self, address: int, data: bytes) -> None:
        """Changes memory."""
        self.ask(f"M{address:x},{len(data):x}:{data.hex()}", "OK")
