"""Shared by the tests of the oracle: the small corpus, made once, and krtlds that are wrong."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from check import KRTLD

FolderOf = Callable[[str], Path]


@pytest.fixture
def wrong_krtld(tmp_path: Path) -> Callable[[str], Path]:
    """A krtld followed by shell commands, in which $D is the dump, $status what krtld ended with,
    and its messages are in $D.err."""

    def make(commands: str) -> Path:
        path = tmp_path / "wrong-krtld"
        path.write_text(
            "#!/bin/bash\n"
            'while [ "$1" != --dump ]; do before+=("$1"); shift; done\n'
            'D=$2\n'
            f'{KRTLD} "${{before[@]}}" "$@" 2>$D.err; status=$?\n'
            f"{commands}\n"
            "cat $D.err >&2; exit $status\n"
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return make
