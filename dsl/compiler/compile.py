"""The steps of a compilation, in their order."""

from __future__ import annotations

from . import code, emit, instructions, names, source, table
from .check import Checker
from .encode import Encoder
from .examine import examine
from .model import Declarations, Options
from .parse import Parser
from .reason import Reasoner
from .report import Errors


def _declarations(paths: list[str], errors: Errors) -> Declarations:
    declarations = Declarations()
    parser = Parser(errors)
    for read in source.read_all(paths, errors):
        declarations.sources.append(read.name)
        for statement in source.split(read, errors):
            parser.parse(statement, declarations)
    return declarations


def _check_thunk(thunk: str, declarations: Declarations, errors: Errors) -> None:
    """Stubs and sites return through it: so it is neither one of them nor what they refer to."""
    stem = thunk.split(".")[0]
    why = names.why_not_hotinline(thunk)
    for hotinline in declarations.hotinlines:
        if hotinline.name == stem:
            why = why or f"hotinline `{stem}` would return through itself"
        for alternative in hotinline.alternatives:
            if any(fixup.symbol == stem for fixup in alternative.fixups):
                why = why or f"an alternative of `{hotinline.name}` refers to it"
    if why:
        errors.add("hotc", "thunk-name", name=thunk, why=why)


def compile_files(
    paths: list[str], nasm: str, options: Options, errors: Errors
) -> dict[str, bytes]:
    """The outputs of these declarations; empty if anything is wrong with them."""
    declarations = _declarations(paths, errors)
    checker = Checker(declarations, errors)
    checker.check()
    hotinlines = declarations.hotinlines
    declared = {name: made.effects() for name, made in checker.instructions.items()}
    known = {**declared, **{m: e for m, e in instructions.NEWER.items() if m not in declared}}
    for hotinline in hotinlines:
        for alternative in hotinline.alternatives:
            code.vet(alternative, known, errors)
    checker.check_symbols()
    Encoder(nasm, errors).encode(hotinlines)
    reasoner = Reasoner(checker, errors)
    stubs = set(checker.hotinlines)
    for hotinline in hotinlines:
        examine(hotinline, stubs, errors)
        reasoner.check(hotinline)
    if options.return_thunk:
        _check_thunk(options.return_thunk, declarations, errors)
    if errors:
        return {}
    return emit.Emitter(declarations, table.build(declarations, options), options).outputs()
