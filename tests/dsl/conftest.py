"""Shared by all tests of hotc: the tree's own declarations, compiled once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support import hotc, tree_files


@dataclass
class Tree:
    """The outputs of the tree's declarations."""

    folder: Path
    json: dict[str, Any]


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    folder = tmp_path_factory.mktemp("tree")
    done = hotc("compile", "--out", folder, *tree_files())
    assert done.returncode == 0, done.stderr
    return Tree(folder, json.loads((folder / "hotinline.json").read_text()))
