"""Every refusal of hotc: an id, what is wrong, and the way out.

The manual (dsl/README.md) lists each of them with cause and cure, and a test compares the two.
"""

from __future__ import annotations

# id: (message, help). Both are str.format() templates over the same keywords.
MESSAGES: dict[str, tuple[str, str]] = {
    # files and programs
    "file-unreadable": (
        "cannot read it: {why}",
        "check the name and its permissions",
    ),
    "file-encoding": (
        "not UTF-8 at byte {offset}",
        "save the file as UTF-8",
    ),
    "file-twice": (
        "the file is given twice",
        "name each file once",
    ),
    "file-basename": (
        "another file is called {name} too: {other}",
        "outputs name files without their folder; rename one of the two",
    ),
    "file-name": (
        "outputs cannot name a file like this",
        "use letters, digits and . _ + - for it",
    ),
    "file-empty": (
        "nothing is declared in this file",
        "declare something, or leave the file out",
    ),
    "output-unwritable": (
        "cannot write {path}: {why}",
        "check that --out names a folder, its permissions, and the space left",
    ),
    "nasm-missing": (
        "cannot run the assembler {program}: {why}",
        "install nasm, or name it with --nasm",
    ),
    "nasm-failed": (
        "the assembler failed without naming a line: {why}",
        "run {program} by hand to see whether it works; 2.15 or later is needed",
    ),
    "thunk-name": (
        "`{name}` cannot be the return thunk: {why}",
        "name with --return-thunk the function that the compiler's returns jump to",
    ),
    # the shape of a file
    "control-character": (
        "a control or invisible character, U+{code:04X}",
        "remove it; only tabs and line ends are allowed",
    ),
    "stray-indent": (
        "an indented line continues a statement, and there is none",
        "start the statement in the first column",
    ),
    "documentation-alone": (
        "this documentation belongs to no declaration",
        "put it on the line right before a declaration",
    ),
    "documentation-string": (
        "this is not one string",
        'documentation is one "…" a line; inside, write \\" for a quote and \\\\ for a backslash',
    ),
    "statement": (
        "no statement starts with `{word}`",
        "statements start with feature, hotinline, window or instruction{nearest}",
    ),
    "syntax": (
        "unexpected {found}",
        "expected {expected}",
    ),
    "brace-open": (
        "this `{{` is never closed",
        "write `}}` after the last instruction",
    ),
    # names
    "name-form": (
        "`{name}` cannot name a {what}",
        "{form}",
    ),
    "name-reserved": (
        "`{name}` cannot name a {what}: {owner}",
        "choose another name",
    ),
    "name-twice": (
        "{what} `{name}` is declared twice",
        "the first is at {first}; rename or remove one",
    ),
    "name-enumerator": (
        "hotinlines `{name}` and `{other}` would both be HOT_INLINE_{enumerator} in C",
        "`{other}` is at {first}; rename one",
    ),
    # features
    "feature-unknown": (
        "no feature `{name}` is declared",
        "{nearest}",
    ),
    "feature-cycle": (
        "feature `{name}` is defined by itself: {cycle}",
        "define it by other features",
    ),
    "feature-same-bit": (
        "features `{first}` and `{name}` are the same: {source}",
        "use `{first}`, declared at {place}",
    ),
    "feature-live": (
        "`live` features are not offered yet",
        "declare it `boot`: the kernel decides once, before do_hotinlines(unix)",
    ),
    "feature-leaf": (
        "{leaf} is no CPUID leaf",
        "leaves are 0 … 0xffff, 0x40000000 … 0x4000ffff, 0x80000000 … 0x8000ffff and "
        "0xc0000000 … 0xc000ffff; hexadecimal ones start with 0x",
    ),
    "feature-subleaf": (
        "{subleaf} is no CPUID subleaf",
        "subleaves are 0 … 0xffff",
    ),
    "feature-register": (
        "CPUID has no output register `{register}`",
        "use eax, ebx, ecx or edx",
    ),
    "feature-bit": (
        "{register} has no bit {bit}",
        "bits are 0 … 31",
    ),
    "feature-signature": (
        'a {kind} signature cannot be "{text}"',
        "{rule}",
    ),
    "feature-too-many": (
        "{count} features are declared, and {limit} fit the table",
        "remove those that no condition tests",
    ),
    "enables-unknown": (
        "`{name}` is no instruction that hotc knows",
        "{nearest}",
    ),
    "enables-twice": (
        "`{name}` is already enabled by feature `{other}`",
        "one feature answers for an instruction; a derived feature can combine several "
        "(see {place})",
    ),
    # conditions
    "condition-deep": (
        "the condition is nested deeper than {limit}",
        "give a part of it a name: feature NAME = …",
    ),
    "condition-wide": (
        "`{name}` depends on {count} features, and at most {limit} can be tested exhaustively",
        "test fewer features, with those that derived ones are made of",
    ),
    "never-chosen": (
        "this alternative can never be chosen",
        "{why}",
    ),
    "baseline-missing": (
        "`{name}` has no baseline",
        "end it with `: CODE` that every CPU can run, such as nop5",
    ),
    "not-guaranteed": (
        "`{mnemonic}` needs feature `{feature}`, which this condition does not guarantee",
        "guard it: {feature} ? {text} : …",
    ),
    "not-everywhere": (
        "`{mnemonic}` is not in every amd64 CPU, and nothing here guarantees {bit}",
        "{way}",
    ),
    # signatures
    "type-unknown": (
        "unknown type `{name}`",
        "{nearest}",
    ),
    "type-void": (
        "a value cannot be of type void",
        "use void * for an address; a hotinline without `->` returns nothing",
    ),
    "type-const": (
        "const says something about what a pointer points at, and this is no pointer",
        "drop const",
    ),
    "register-unknown": (
        "`{name}` is no register that can be named here",
        "{nearest}",
    ),
    "register-reserved": (
        "{name} belongs to the compiler: {why}",
        "use rax, rbx, rcx, rdx, rsi, rdi or r8 … r15",
    ),
    "register-twice": (
        "{name} is already used for {other}",
        "use another register",
    ),
    "register-pair": (
        "a pair of registers holds a u64 or an i64, not `{type}`",
        "name one register",
    ),
    "clobber-result": (
        "{name} is the result, and so changes anyway",
        "drop it from clobbers",
    ),
    "clobber-memory": (
        "`pure` says that memory is left alone, and `clobbers memory` that it is not",
        "drop one of them",
    ),
    "clause-twice": (
        "`{name}` is said twice",
        "say it once",
    ),
    "size-range": (
        "a site cannot be {size} bytes wide",
        "a call is 5 bytes wide and that is the least; the most is {limit}",
    ),
    "size-six": (
        "a site cannot be 6 bytes wide",
        "say size 7: the mark that proves a wide site takes 2 bytes or more (a call has 5)",
    ),
    "alternatives-too-many": (
        "`{name}` has {count} alternatives, and {limit} fit the table",
        "choose among fewer",
    ),
    "hotinlines-too-many": (
        "{count} {what} are named, and {limit} fit the table",
        "split the declarations",
    ),
    # code
    "code-empty": (
        "there is no instruction",
        "write nop5 for a site that does nothing",
    ),
    "code-lines": (
        "one instruction stands on one line",
        "write several in braces: {{ a; b }}",
    ),
    "code-separator": (
        "`;` separates instructions only in braces",
        "write {{ {text} }}",
    ),
    "code-character": (
        "`{char}` cannot be part of an instruction",
        "{way}",
    ),
    "code-directive": (
        "`{word}` is no instruction but a directive, and hotc must know what code does",
        "write the instruction",
    ),
    "code-mnemonic": (
        "an instruction cannot start with `{word}`",
        "{way}",
    ),
    "code-clause": (
        "`{word}` stands after the code, and belongs before it",
        "hotinline NAME … {word} …: CODE",
    ),
    "code-label": (
        "`{label}` is no label that can be used here",
        "labels are local to the braces, as in {{ .again: …; jnz .again }}",
    ),
    "code-symbol": (
        "`{name}` cannot be a symbol: {owner}",
        "symbols are names of C",
    ),
    "code-nop": (
        "`{text}` is no NOP that hotc can make",
        "nop1 … nop{limit} are",
    ),
    "nasm": (
        "{why}",
        "the assembler (NASM) says so{hint}",
    ),
    "code-number": (
        "`{text}` goes to a number, and code has no address of its own",
        "go to a .label in the braces, or to a symbol",
    ),
    "code-operand": (
        "`{text}` is not as hotc knows it: `{mnemonic}` takes {takes}",
        "write it so, or as bytes: instruction NAME = bytes …",
    ),
    "code-bytes": (
        "`{text}` is not one instruction in bytes",
        "write two hexadecimal digits a byte, as in: bytes 0f 01 c6",
    ),
    "code-too-long": (
        "the code is {size} bytes long, and a site of `{name}` has {limit}",
        "{way}",
    ),
    "code-unknown": (
        "hotc cannot tell what `{text}` does: {why}",
        "declare it: instruction NAME = bytes … reads … writes … enables by FEATURE",
    ),
    "code-exit": (
        "`{mnemonic}` cannot be put into a caller: {why}",
        "leave it to a function, and `call` that as the last instruction",
    ),
    "code-branch": (
        "`{text}` leaves the code",
        "only the last instruction may, as `call f` or `jmp f` with a symbol",
    ),
    "code-into": (
        "`{text}` does not go to the start of an instruction",
        "branch to a .label",
    ),
    "code-past-call": (
        "`{text}` goes past the last `call`, which a tail call turns into a jmp",
        "let every path reach the call, or end with another instruction",
    ),
    "code-calls-hotinline": (
        "`{name}` is a hotinline itself",
        "call a function instead: code that is patched must not depend on what is patched",
    ),
    "code-absolute": (
        "`{text}` needs an absolute address",
        "only [rel SYMBOL] and `call SYMBOL` can be moved to a site; write [rel …]",
    ),
    "code-relative": (
        "`{text}` refers to its own place",
        "name a symbol: [rel SYMBOL]",
    ),
    "code-stack-pointer": (
        "`{text}` uses rsp, which differs between a site and the stub",
        "only push and pop may use the stack",
    ),
    "code-stack-operand": (
        "`{text}` does not move 8 bytes",
        "push and pop whole registers",
    ),
    "code-stack-underflow": (
        "`{text}` pops what the code has not pushed",
        "push first",
    ),
    "code-stack-unbalanced": (
        "the code ends with {bytes} bytes left on the stack",
        "pop what was pushed, on every path, and before a last call",
    ),
    "code-stack-paths": (
        "paths meet at `{text}` with different depths of the stack",
        "push and pop alike on every path",
    ),
    "code-writes": (
        "`{text}` changes {registers}, which the declaration does not give away",
        "add: clobbers {registers}",
    ),
    "code-vector": (
        "`{text}` changes {registers}",
        "hotinlines change general registers only; leave vectors to a function",
    ),
    "code-pure": (
        "`{text}` uses memory, and `{name}` is declared pure",
        "drop pure",
    ),
    "code-reads": (
        "`{text}` reads {what}, which nothing has given a value",
        "{way}",
    ),
    "code-result": (
        "the result of `{name}` has no value in {what} when this code ends",
        "write all of it on every path (a write of 32 bits clears the upper half; movzx extends)",
    ),
    # instructions
    "instruction-long": (
        "an instruction has at most {limit} bytes, and this one {size}",
        "declare one instruction at a time",
    ),
    "instruction-known": (
        "{code} is `{known}`, or starts with it, and hotc knows what that does",
        "drop this declaration, and write `{known}`",
    ),
    "instruction-register": (
        "`{name}` is nothing that an instruction here can read or write",
        "name registers by the width that counts (rcx, ecx …), flags, or memory",
    ),
    # windows
    "window-unknown": (
        "no hotinline `{name}` is declared",
        "{nearest}",
    ),
    "window-same": (
        "a window opens and closes with the same hotinline `{name}`",
        "name the one that opens it and the one that closes it",
    ),
    # hotc check
    "object-format": (
        "not an object that krtld can load: {why}",
        "{way}",
    ),
    "object-undefined": (
        "`{symbol}` is defined nowhere",
        "{nearest}",
    ),
    "object-defines-hotinline": (
        "it defines `{symbol}`, which is a hotinline: its own calls would never be sites",
        "rename it; only the kernel links the stubs",
    ),
    "object-duplicate": (
        "it defines `{symbol}`, and so does {other}",
        "hide it where it is a module's own (static, -fvisibility=hidden), or rename it",
    ),
    "kernel-lacks": (
        "it does not define `{symbol}`: {why}",
        "{way}",
    ),
    "json-unusable": (
        "cannot use it: {why}",
        "name the hotinline.json that this hotc wrote",
    ),
}
