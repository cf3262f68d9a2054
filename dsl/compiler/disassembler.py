"""Capstone, loaded without what costs more than Capstone.

Debian's binding asks distutils for a folder. setuptools, where it is installed, puts a distutils of
its own in the way, and with it all of setuptools: three quarters of the start of a run.
"""

from __future__ import annotations

import contextlib

with contextlib.suppress(ImportError):
    import _distutils_hack  # type: ignore[import]

    _distutils_hack.remove_shim()

import capstone  # type: ignore[import]  # noqa: E402  (what comes before makes it fast)

__all__ = ["capstone", "decoder"]


def decoder() -> capstone.Cs:
    """For the 64-bit mode of amd64."""
    return capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
