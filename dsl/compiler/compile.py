"""The steps of a compilation, in their order."""

from __future__ import annotations

from . import instructions, kept, names, source, table
from .check import INDEX_MAX, Checker
from .kept import Contexts, Kept
from .model import Declarations, Feature, Hotinline, Options, Window
from .part import Placed
from .report import Errors
from .source import Statement


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


def _judge(checker: Checker, fresh: list[Hotinline], nasm: str, errors: Errors) -> None:
    """All that is said of hotinlines by looking at their code."""
    from . import code  # here: what an earlier run has judged does without Capstone and NASM
    from .encode import Encoder
    from .examine import examine
    from .reason import Reasoner

    declared = {name: made.effects() for name, made in checker.instructions.items()}
    known = {**declared, **{m: e for m, e in instructions.NEWER.items() if m not in declared}}
    for hotinline in fresh:
        for alternative in hotinline.alternatives:
            code.vet(alternative, known, errors)
    checker.check_symbols()
    Encoder(nasm, errors).encode(fresh)
    reasoner = Reasoner(checker, errors)
    stubs = set(checker.hotinlines)
    for hotinline in fresh:
        examine(hotinline, stubs, errors)
        reasoner.check(hotinline)


class _Run:
    """One compilation. It takes over what is in before, as far as that stands, and leaves in after
    what is worth keeping. errors says whether anything is wrong; what it says of declarations that
    were taken over has no place in their text."""

    def __init__(self, statements: list[Statement], options: Options, before: Kept) -> None:
        self.statements = statements
        self.options = options
        self.before = before
        self.after = Kept()
        self.after.parser, self.after.templates = before.parser, before.templates
        self.errors = Errors()
        self.declarations = Declarations()
        self.placed: list[Placed] = []  # what was taken over of hotinlines
        self.parsed: list[tuple[bytes, Statement, object]] = []
        self.contexts = Contexts([], [])

    def declare(self) -> None:
        """Features first: what is known of a hotinline depends on them."""
        declared, unknown, hotinlines = self.declarations, [], []
        for statement in self.statements:
            key = kept.key(statement)
            entry = self.before.entries.get(key)
            if entry is None:
                unknown.append((key, statement))
            elif entry[0] == "hotinline":
                hotinlines.append((key, statement))
            else:
                _, below, plain = self.after.entries[key] = entry
                place = statement.place(1 + below, 1)
                if entry[0] == "feature":
                    declared.features.append(kept.feature(plain, place, statement.documentation))
                else:
                    declared.windows.append(kept.window(plain, place, statement.documentation))
        self.parse(unknown)
        self.contexts = Contexts(declared.features, declared.instructions)
        self.parse([each for each in hotinlines if not self.take(*each)])

    def parse(self, unknown: list[tuple[bytes, Statement]]) -> None:
        if not unknown:
            return
        from .parse import Parser  # here: Lark takes a while to load

        parser = Parser(self.errors, self.after.parser)
        for key, statement in unknown:
            self.parsed.append((key, statement, parser.parse(statement, self.declarations)))
        self.after.parser = parser.saved

    def take(self, key: bytes, statement: Statement) -> bool:
        """Takes over a hotinline; false if it has to be judged anew."""
        entry = self.before.entries[key]
        _, below, (context, plain) = entry
        part = kept.part(plain)
        if self.contexts.of(part.features) != context:
            return False
        self.after.entries[key] = entry
        place = statement.place(1 + below, 1)
        self.declarations.hotinlines.append(Hotinline(part.name, place, kept=True))
        self.placed.append(Placed(part, place.source.name, place.line))
        return True

    def stands(self) -> bool:
        """Whether what was taken over agrees with all else that is declared."""
        stubs = {hotinline.name for hotinline in self.declarations.hotinlines}
        symbols = {symbol for each in self.placed for symbol in each.part.symbols}
        thunk = self.options.return_thunk.split(".")[0]
        return stubs.isdisjoint(symbols) and thunk not in symbols and len(symbols) < INDEX_MAX

    def outputs(self, nasm: str) -> dict[str, bytes] | None:
        """None if it has to be done without what was kept."""
        declared = self.declarations
        self.declare()
        checker = Checker(declared, self.errors)
        checker.check()
        fresh = [hotinline for hotinline in declared.hotinlines if not hotinline.kept]
        if fresh:
            _judge(checker, fresh, nasm, self.errors)
        if self.options.return_thunk:
            _check_thunk(self.options.return_thunk, declared, self.errors)
        if self.before.entries and (self.errors or not self.stands()):
            return None
        return {} if self.errors else self.emit(fresh, checker)

    def emit(self, fresh: list[Hotinline], checker: Checker) -> dict[str, bytes]:
        from . import emit, part  # here: Jinja2 takes a while to load
        from .render import Renderer

        renderer = Renderer(self.options, self.after.templates)
        made = {id(each): part.make(each, self.options, renderer) for each in fresh}
        for key, statement, declared in self.parsed:
            if isinstance(declared, Hotinline):
                this = made[id(declared)]
                place = declared.place
                self.placed.append(Placed(this, place.source.name, place.line))
                plain = (self.contexts.of(this.features), kept.plain_part(this))
                self.keep(key, statement, declared, "hotinline", plain)
            elif isinstance(declared, Window):
                self.keep(key, statement, declared, "window", kept.plain_window(declared))
            elif isinstance(declared, Feature) and not any(
                word.text.lower() in checker.instructions for word in declared.enables
            ):  # else it stands only as long as that instruction is declared
                self.keep(key, statement, declared, "feature", kept.plain_feature(declared))
        self.placed.sort(key=lambda each: each.part.name)
        parts = [each.part for each in self.placed]
        built = table.build(self.declarations.features, parts, self.options)
        return emit.Emitter(
            self.declarations, self.placed, built, self.options, renderer
        ).outputs()

    def keep(self, key: bytes, statement: Statement, declared: Hotinline | Feature | Window,
             kind: str, plain: tuple[object, ...]) -> None:  # fmt: skip
        self.after.entries[key] = (kind, declared.place.line - statement.line, plain)


def compile_files(
    paths: list[str], nasm: str, options: Options, errors: Errors, before: Kept | None = None
) -> tuple[dict[str, bytes], Kept]:
    """The outputs of these declarations, none if anything is wrong with them; and what to keep."""
    sources = source.read_all(paths, errors)
    statements = [each for read in sources for each in source.split(read, errors)]
    run = _Run(statements, options, before if before and not errors else Kept())
    run.declarations.sources = [read.name for read in sources]
    run.after.inputs = {read.path: read.data for read in sources}
    outputs = run.outputs(nasm)
    if outputs is None:
        return compile_files(paths, nasm, options, errors)
    errors.found += run.errors.found
    return ({} if errors else outputs), run.after
