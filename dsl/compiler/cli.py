"""The command line: `hotc compile` and `hotc check`."""

from __future__ import annotations

import argparse
import gc
import sys
from typing import NoReturn

from . import VERSION
from .report import Errors

REFUSED = 1
USAGE = 64  # EX_USAGE, as the host tool krtld


class _Arguments(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


# Each command imports what it needs: Capstone and Lark take longer to load than `check` to run.


def _compile(arguments: argparse.Namespace, errors: Errors) -> None:
    from . import output
    from .compile import compile_files

    outputs = compile_files(arguments.files, arguments.nasm, errors)
    if not errors:
        output.write(arguments.out, outputs, errors)


def _check(arguments: argparse.Namespace, errors: Errors) -> None:
    from .objects import check_objects

    check_objects(
        arguments.json, arguments.kernel, arguments.modules, set(arguments.external), errors
    )


def _parser() -> argparse.ArgumentParser:
    parser = _Arguments(
        prog="hotc",
        description="The compiler of hotinline declarations. The manual is dsl/README.md.",
        epilog="Exit status: 0 all is well, 1 refused (nothing is written), 64 wrong use.",
    )
    parser.add_argument("--version", action="version", version=f"hotc {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    one = commands.add_parser("compile", help="declarations in; header, stubs, table and rules out")
    one.add_argument("--out", required=True, metavar="DIR", help="where the outputs go")
    one.add_argument("--nasm", default="nasm", metavar="PROGRAM", help="the assembler (nasm)")
    one.add_argument("files", nargs="+", metavar="FILE", help="declarations, *.hot")
    one.set_defaults(run=_compile)
    two = commands.add_parser("check", help="whether objects keep what krtld needs of them")
    two.add_argument("--json", required=True, metavar="FILE", help="hotinline.json")
    two.add_argument("--kernel", required=True, metavar="OBJECT", help="what holds the stubs")
    two.add_argument(
        "--external",
        action="append",
        default=[],
        metavar="NAME",
        help="a symbol that the loader provides (may be repeated)",
    )
    two.add_argument("modules", nargs="*", metavar="MODULE", help="modules that will be loaded")
    two.set_defaults(run=_check)
    return parser


def main(words: list[str]) -> int:
    arguments = _parser().parse_args(words)
    gc.disable()  # a run is short, and what it makes lives to its end
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    errors = Errors()
    arguments.run(arguments, errors)
    for error in errors.sorted():
        print(error.render(), file=sys.stderr)
    return REFUSED if errors else 0
