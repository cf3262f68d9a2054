"""The command line: `hotc compile` and `hotc check`."""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import re
import signal
import sys
from typing import Any, NoReturn, TextIO

from . import VERSION
from .report import Errors

REFUSED = 1
USAGE = 64  # EX_USAGE, as the host tool krtld
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Arguments(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.format_usage()}{self.prog}: {message}\n")

    def print_help(self, file: Any = None) -> None:
        _say(self.format_help(), file or sys.stdout)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        if message:
            _say(message, sys.stderr)
        raise SystemExit(status)


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        _say(f"hotc {VERSION}\n", sys.stdout)
        raise SystemExit(0)


# Each command imports what it needs: Capstone and Lark take longer to load than `check` to run.


def _compile(arguments: argparse.Namespace, errors: Errors) -> None:
    from . import kept, output, record
    from .compile import compile_files
    from .model import Options

    options = Options(
        ibt=arguments.ibt, kcfi=arguments.kcfi, return_thunk=arguments.return_thunk or ""
    )
    words, files, nasm, out = arguments.words, arguments.files, arguments.nasm, arguments.out
    made_by = record.maker(nasm, record.folders())
    maker = record.digest(made_by.encode(), repr(options).encode()).encode()
    path = os.path.join(out, kept.NAME)
    before = kept.read(None if arguments.fresh else record.content(path), maker)
    outputs, after = compile_files(files, nasm, options, errors, before)
    if errors:
        return
    stamp = record.written(words, out, nasm, made_by, after.inputs, outputs)
    if not arguments.fresh:
        outputs[kept.NAME] = kept.written(after, maker)
    if stamp:
        outputs[record.NAME] = stamp
    output.write(out, outputs, errors)


def _check(arguments: argparse.Namespace, errors: Errors) -> None:
    from .objects import check_objects

    external, own = set(arguments.external), set(arguments.own)
    lines = check_objects(
        arguments.json, arguments.kernel, arguments.modules, external, own, errors
    )
    if lines:
        _say("\n".join(lines) + "\n", sys.stdout)


def _symbol(text: str) -> str:
    """What may be a symbol: NASM and C read it."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.$]*", text):
        raise argparse.ArgumentTypeError(f"`{text}` is not the name of a symbol")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = _Arguments(
        prog="hotc",
        description="The compiler of hotinline declarations. The manual is dsl/README.md.",
        epilog="Exit status: 0 all is well, 1 refused (nothing is written), 64 wrong use.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    one = commands.add_parser("compile", help="declarations in; header, stubs, table and rules out")
    one.add_argument("--out", required=True, metavar="DIR", help="where the outputs go")
    one.add_argument("--nasm", default="nasm", metavar="PROGRAM", help="the assembler (nasm)")
    one.add_argument(
        "--ibt",
        action="store_true",
        help="stubs begin with endbr64, as with -fcf-protection=branch",
    )
    one.add_argument(
        "--kcfi",
        action="store_true",
        help="the hash of its type stands before each stub, as with -fsanitize=kcfi",
    )
    one.add_argument(
        "--return-thunk",
        metavar="SYMBOL",
        type=_symbol,
        help="a return is a jmp to it, as with -mfunction-return=thunk-extern; no ret is written",
    )
    one.add_argument(
        "--fresh",
        action="store_true",
        help="neither use nor keep what an earlier run has found out",
    )
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
    two.add_argument(
        "--own",
        action="append",
        default=[],
        metavar="NAME",
        help="a symbol that no object exports, as ops->exported has it (may be repeated)",
    )
    two.add_argument("modules", nargs="*", metavar="MODULE", help="modules that will be loaded")
    two.set_defaults(run=_check)
    return parser


class _Interrupted(BaseException):
    """A signal that asks to end; what is being done is undone on the way out."""


def _interrupt(number: int, _frame: object) -> NoReturn:
    raise _Interrupted(number)


class _Unwritable(Exception):
    """A message that did not arrive."""


def _say(text: str, stream: TextIO | None) -> None:
    if stream is None:
        raise _Unwritable("it is closed")
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        # Or Python would try again when it ends, and say so at length.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise _Unwritable(error.strerror or str(error)) from error


def _finish(number: int) -> NoReturn:
    """Ends by the signal, as its sender expects."""
    with contextlib.suppress(_Unwritable):
        _say(f"hotc: ended by a signal: {signal.strsignal(number)}\n", sys.stderr)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    raise SystemExit(REFUSED)


def _run(words: list[str]) -> int:
    arguments = _parser().parse_args(words)
    arguments.words = words
    errors = Errors()
    arguments.run(arguments, errors)
    if errors:
        _say("".join(error.render() + "\n" for error in errors.sorted()), sys.stderr)
    return REFUSED if errors else 0


def main(words: list[str]) -> int:
    gc.disable()  # a run is short, and what it makes lives to its end
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    before = {number: signal.signal(number, _interrupt) for number in _SIGNALS}
    try:
        return _run(words)
    except _Unwritable as error:
        with contextlib.suppress(_Unwritable):
            _say(f"hotc: cannot write a message: {error}\n", sys.stderr)
        return REFUSED
    except _Interrupted as interrupted:
        _finish(interrupted.args[0])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
