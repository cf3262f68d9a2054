"""The machine that the figures come from, and the programs that were measured. Nothing in it names
the machine or its owner. Used by run.py."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

# Programs by what prints their version; the first number in the first lines is it.
PROGRAMS = {
    "gcc": ["gcc", "--version"],
    "clang": ["clang", "--version"],
    "GNU ld": ["ld", "--version"],
    "LLVM lld": ["ld.lld", "--version"],
    "mold": ["mold", "--version"],
    "LLVM JITLink": ["llvm-jitlink-14", "--version"],
    "NASM": ["nasm", "--version"],
    "QEMU": ["qemu-system-x86_64", "--version"],
}


def version(command: list[str]) -> str:
    """Of one program."""
    if not shutil.which(command[0]):
        return "not installed"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+(\.\d+)*", re.sub(r"\(.*?\)", "", done.stdout))
    return found[0] if found else "unknown"


def _first(pattern: str, path: str) -> str:
    try:
        found = re.search(pattern, Path(path).read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else "unknown"


def _caches() -> dict[str, str]:
    caches = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((index / name).read_text().strip()
                             for name in ("level", "type", "size"))
        caches[f"L{level} {kind.lower()}"] = size
    return caches


def machine() -> dict[str, object]:
    """What the figures depend on."""
    kilobytes = _first(r"^MemTotal:\s+(\d+)", "/proc/meminfo")
    pages = _first(r"\[(\w+)\]", "/sys/kernel/mm/transparent_hugepage/enabled")
    release = re.match(r"[\d.]+", platform.release())
    return {
        "cpu": _first(r"^model name\s*:\s*(.*)", "/proc/cpuinfo"),
        "cpus": os.cpu_count(),
        "virtual": "hypervisor" in _first(r"^flags\s*:\s*(.*)", "/proc/cpuinfo").split(),
        "caches": _caches(),
        "memory": f"{int(kilobytes) / 2**20:.0f} GiB" if kilobytes.isdigit() else kilobytes,
        "transparent huge pages": pages,
        "kernel": f"{platform.system()} {release[0] if release else ''}",
        "system": _first(r'^PRETTY_NAME="(.*)"', "/etc/os-release"),
        "versions": {"glibc": platform.libc_ver()[1], "Python": platform.python_version()}
        | {name: version(command) for name, command in PROGRAMS.items()},
    }


def summary(facts: dict[str, object]) -> str:
    """In two lines."""
    caches, versions = facts["caches"], facts["versions"]
    assert isinstance(caches, dict) and isinstance(versions, dict)
    virtual = ", a virtual machine" if facts["virtual"] else ""
    return (f"{facts['cpu']}, {facts['cpus']} CPUs{virtual}; "
            + ", ".join(f"{name} {size}" for name, size in caches.items())
            + f"; memory {facts['memory']}; {facts['kernel']}, {facts['system']}\n"
            + ", ".join(f"{name} {number}" for name, number in versions.items()))
