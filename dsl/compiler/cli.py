"""The command line: `hotc compile` and `hotc check`."""

from __future__ import annotations

import argparse
import gc
import sys
from typing import NoReturn

from . import VERSION, code, emit, output, source, table
from .check import Checker
from .encode import Encoder
from .examine import examine
from .model import Declarations
from .objects import check_objects
from .parse import Parser
from .reason import Reasoner
from .report import Errors

REFUSED = 1
USAGE = 64  # EX_USAGE, as the host tool krtld


class _Arguments(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def _declarations(paths: list[str], errors: Errors) -> Declarations:
    declarations = Declarations()
    parser = Parser(errors)
    for read in source.read_all(paths, errors):
        declarations.sources.append(read.name)
        for statement in source.split(read, errors):
            parser.parse(statement, declarations)
    return declarations


def compile_files(paths: list[str], nasm: str, errors: Errors) -> dict[str, bytes]:
    """The outputs of these declarations; empty if anything is wrong with them."""
    declarations = _declarations(paths, errors)
    checker = Checker(declarations, errors)
    checker.check()
    hotinlines = declarations.hotinlines
    for hotinline in hotinlines:
        for alternative in hotinline.alternatives:
            code.vet(alternative, errors)
    Encoder(nasm, errors).encode(hotinlines)
    reasoner = Reasoner(checker.features, checker.cyclic, errors)
    stubs = set(checker.hotinlines)
    for hotinline in hotinlines:
        examine(hotinline, stubs, errors)
        reasoner.check(hotinline)
    if errors:
        return {}
    return emit.Emitter(declarations, table.build(declarations)).outputs()


def _compile(arguments: argparse.Namespace, errors: Errors) -> None:
    outputs = compile_files(arguments.files, arguments.nasm, errors)
    if not errors:
        output.write(arguments.out, outputs, errors)


def _check(arguments: argparse.Namespace, errors: Errors) -> None:
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
