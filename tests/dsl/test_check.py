"""`hotc check`: what krtld would refuse, and what would silently never be a site, at build time."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from support import Done, hotc, run

DECLARED = """\
hotinline begin: nop5
hotinline count(u64 x @rdi) -> u64 @rax: call count_soft
hotinline raw(u64 x @rbx): call raw_soft
"""
KERNEL = """\
#include "hotinline.h"
uint64_t count_soft(uint64_t x) { return x; }
void kernel_service(void);
void kernel_service(void) { begin(); }
__asm__(".globl raw_soft\\nraw_soft: ret");
"""
MODULE = """\
#include "hotinline.h"
void kernel_service(void);
int module_main(void);
int module_main(void) { begin(); kernel_service(); return (int)count(3); }
"""


class Build:
    """A small kernel and its modules."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "a.hot").write_text(DECLARED)
        assert hotc("compile", "--out", folder, folder / "a.hot").returncode == 0
        run("nasm", "-f", "elf64", "-o", folder / "stubs.o", folder / "hotstubs.asm")
        self.kernel = self.link("unix.o", self.compile("kernel", KERNEL), folder / "stubs.o")
        self.module = self.compile("module", MODULE)

    def compile(self, name: str, text: str, *flags: str, compiler: str = "gcc") -> Path:
        source = self.folder / f"{name}.c"
        source.write_text(text)
        made = self.folder / f"{name}.o"
        common = ["-O2", "-ffreestanding", "-fno-pic", "-mgeneral-regs-only", f"-I{self.folder}"]
        run(compiler, *common, *flags, "-c", source, "-o", made)
        return made

    def link(self, name: str, *objects: Path) -> Path:
        run("ld", "-r", "-z", "noexecstack", "-o", self.folder / name, *objects)
        return self.folder / name

    def check(self, *modules: Path, kernel: Path | None = None, more: tuple[str, ...] = ()) -> Done:
        words: list[str | Path] = ["check", "--json", self.folder / "hotinline.json", *more]
        return hotc(*words, "--kernel", kernel or self.kernel, *modules)


@pytest.fixture
def build(tmp_path: Path) -> Build:
    return Build(tmp_path)


def refused(done: Done, *says: str) -> None:
    assert done.returncode == 1, done
    assert ": error: " in done.stderr and "\n  help: " in done.stderr
    for text in says:
        assert text in done.stderr, done.stderr


def test_what_is_right_passes(build: Build) -> None:
    done = build.check(build.module)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_name_that_nobody_defines(build: Build) -> None:
    module = build.compile("bad", "void begi(void); void g(void); void g(void) { begi(); }")
    done = build.check(module)
    refused(done, f"{module}: error: `begi` is defined nowhere", "did you mean begin?")


def test_a_name_that_another_module_defines(build: Build) -> None:
    """object-undefined, and its twin."""
    user = build.compile("user", "void lib(void); void g(void); void g(void) { lib(); }")
    refused(build.check(user), "`lib` is defined nowhere")
    library = build.compile("library", "void lib(void); void lib(void) {}")
    assert build.check(user, library).returncode == 0
    assert build.check(library, user).returncode == 0
    assert build.check(user, more=("--external", "lib")).returncode == 0


def test_a_weak_name_may_stay_undefined(build: Build) -> None:
    text = "__attribute__((weak)) void lib(void); void g(void); void g(void) { if (lib) lib(); }"
    assert build.check(build.compile("weak", text)).returncode == 0


@pytest.mark.parametrize("kind", ["", "static ", '__attribute__((visibility("hidden"))) '])
def test_a_module_that_defines_a_hotinline(build: Build, kind: str) -> None:
    """object-defines-hotinline, PEERS.md 7 and 27."""
    text = f"{kind}__attribute__((noinline,used)) void begin(void); void begin(void) {{}}"
    module = build.compile("thief", text)
    refused(build.check(module), f"{module}: error: it defines `begin`")


def test_two_modules_that_define_one_name(build: Build) -> None:
    """object-duplicate"""
    first = build.compile("first", "void same(void); void same(void) {}")
    second = build.compile("second", "void same(void); void same(void) {}")
    refused(build.check(first, second), f"{second}: error: it defines `same`, and so does {first}")
    third = build.compile("third", "static void same(void); void *p = same; void same(void) {}")
    assert build.check(first, third).returncode == 0


HIDDEN = '__attribute__((visibility("hidden"))) '


def test_peers_44_what_modules_hide_may_bear_one_name(build: Build) -> None:
    text = "int metadata = 1; int *p_{0}(void); int *p_{0}(void) {{ return &metadata; }}"
    one, two = (build.compile(n, text.format(n)) for n in ("one", "two"))
    help_ = "-fvisibility=hidden"
    refused(build.check(one, two), f"{two}: error: it defines `metadata`, and so does {one}", help_)
    assert build.check(one, two, more=("--own", "metadata")).returncode == 0
    hidden = build.compile("hidden", HIDDEN + text.format("hidden"))
    assert build.check(one, hidden).returncode == 0


def test_a_name_that_a_module_hides_is_no_other_modules(build: Build) -> None:
    """object-undefined, and its twin."""
    user = build.compile("user", "void lib(void); void g(void); void g(void) { lib(); }")
    text = "void lib(void); void lib(void) {}"
    refused(build.check(user, build.compile("own", HIDDEN + text)), "`lib` is defined nowhere")
    library = build.compile("library", text)
    assert build.check(user, library).returncode == 0
    refused(build.check(user, library, more=("--own", "lib")), "`lib` is defined nowhere")


def test_a_weak_or_common_definition_gives_way(build: Build) -> None:
    """As krtld has it: only strong ones are refused, and the kernel comes first."""
    strong = build.compile("strong", "int same = 1;")
    for flags, text in (((), "__attribute__((weak)) int same = 2;"), (("-fcommon",), "int same;")):
        other = build.compile("other", text, *flags)
        assert build.check(strong, other).returncode == 0
        assert build.check(other, build.compile("user", "extern int same; int *p = &same;")
                           ).returncode == 0
    weak = build.compile("weak", KERNEL + "__attribute__((weak)) int same = 2;")
    kernel = build.link("all.o", weak, build.folder / "stubs.o")
    refused(build.check(strong, kernel=kernel), "it defines `same`, and so does")


def test_what_a_kernel_hides_its_alternatives_find(build: Build) -> None:
    """kernel-lacks is about what it does not define at all."""
    hidden = build.compile("hiding", KERNEL, "-fvisibility=hidden")
    kernel = build.link("all.o", hidden, build.folder / "stubs.o")
    done = build.check(kernel=kernel)
    assert done.returncode == 0, done.stderr


def test_a_module_may_not_replace_the_kernels_names(build: Build) -> None:
    text = "void kernel_service(void); void kernel_service(void) {}"
    refused(build.check(build.compile("thief", text)), "so does " + str(build.kernel))


def test_every_module_has_its_own_init(build: Build) -> None:
    text = "int _init(void); int _init(void) { return 0; }"
    assert build.check(build.compile("one", text), build.compile("two", text)).returncode == 0


def test_a_kernel_without_stubs(build: Build) -> None:
    """kernel-lacks"""
    kernel = build.compile("bare", KERNEL)
    done = build.check(build.module, kernel=kernel)
    refused(done, "it does not define `begin`: the stub of a hotinline", "link hotstubs.o")
    assert "`count`" in done.stderr and "`raw`" in done.stderr


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("count_soft.body", "uint64_t count_soft(uint64_t x) { return x; }", ""),
        ("raw_soft", "raw_soft", "other_soft"),
    ],
)
def test_a_kernel_without_a_helper(build: Build, name: str, old: str, new: str) -> None:
    text = KERNEL.replace(old, new)
    kernel = build.link("all.o", build.compile("bad", text), build.folder / "stubs.o")
    done = build.check(build.module, kernel=kernel)
    refused(done, f"it does not define `{name}`: an alternative of")
    assert done.stderr.count("error:") == 1


def test_a_kernel_that_lacks_a_name_of_its_own(build: Build) -> None:
    text = KERNEL + "void missing(void); void *table = missing;"
    kernel = build.link("all.o", build.compile("bad", text), build.folder / "stubs.o")
    refused(build.check(kernel=kernel), "`missing` is defined nowhere")


def test_a_static_link_has_lost_its_relocations(build: Build) -> None:
    """object-format, PEERS.md 27."""
    made = build.folder / "static"
    run("ld", "-e", "0", "-o", made, build.kernel, build.module)
    refused(build.check(made), "a linked program, whose calls have lost their relocations", "ld -r")
    refused(build.check(kernel=made), "a linked program")
    made = build.folder / "shared"
    pic = build.compile("pic", "int f(void); int f(void) { return 1; }", "-fPIC")
    run("ld", "-shared", "-o", made, pic)
    refused(build.check(made), "a linked, shared object")


def test_intermediate_code_is_no_machine_code(build: Build) -> None:
    slim = build.compile("slim", MODULE, "-flto", "-fno-fat-lto-objects")
    refused(build.check(slim), "slim LTO", "compile it without -flto")
    bitcode = build.compile("bitcode", MODULE, "-flto", compiler="clang")
    refused(build.check(bitcode), "LLVM bitcode", "compile it without -flto")
    fat = build.compile("fat", MODULE, "-flto", "-ffat-lto-objects")
    assert build.check(fat).returncode == 0


def test_an_object_of_another_machine(build: Build) -> None:
    module = build.compile("small", "int f(void); int f(void) { return 1; }", "-m32")
    refused(build.check(module), "not for amd64")


def test_an_archive(build: Build) -> None:
    archive = build.folder / "lib.a"
    run("ar", "rc", archive, build.module)
    refused(build.check(archive), "an archive of objects", "ld -r")


def test_a_damaged_object(build: Build) -> None:
    whole = build.module.read_bytes()
    for size in (0, 3, 10, 64, 100, len(whole) // 2, len(whole) - 100):
        damaged = build.folder / "damaged.o"
        damaged.write_bytes(whole[:size])
        done = build.check(damaged)
        assert done.returncode in (0, 1) and "Traceback" not in done.stderr
        assert size > 100 or done.returncode == 1
    refused(build.check(build.folder / "none.o"), "cannot read it: No such file")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', "no", '{"format": 1}'])
def test_a_json_that_is_not_ours(build: Build, text: str) -> None:
    """json-unusable"""
    (build.folder / "hotinline.json").write_text(text)
    refused(build.check(build.module), "hotinline.json: error: cannot use it")


def test_a_json_of_an_older_hotc(build: Build) -> None:
    """json-unusable; its twin is the file as it was."""
    path = build.folder / "hotinline.json"
    described = json.loads(path.read_text())
    del described["hotinlines"][1]["stub_size"]
    path.write_text(json.dumps(described))
    refused(build.check(build.module), "hotinline.json: error: cannot use it: it has no stub_size",
            "hotinline.json that this hotc wrote")


def test_all_errors_come_in_one_run(build: Build) -> None:
    one = build.compile("one", "void a(void); void b(void); void *p[] = {a, b};")
    two = build.compile("two", "void c(void); void *q = c; void begin(void); void begin(void) {}")
    done = build.check(one, two, build.folder / "none.o")
    assert done.stderr.count(": error: ") == 5, done.stderr


def test_a_pointer_to_a_hotinline_needs_what_hotstubs_defines(build: Build) -> None:
    """A signature that is not the C ABI's: the pointer is to raw.wrapper, of which there is one."""
    text = '#include "hotinline.h"\nvoid *p(void);\nvoid *p(void) { return (void *)raw; }\n'
    module = build.compile("pointer", text)
    assert build.check(module).returncode == 0
    assert "raw.wrapper" in run("readelf", "-rW", module)
    nothing = build.compile("nothing", "")
    refused(build.check(module, kernel=nothing), "`raw.wrapper` is defined nowhere")


def test_the_json_lists_what_check_needs(build: Build) -> None:
    described = json.loads((build.folder / "hotinline.json").read_text())
    helpers = {helper["symbol"]: helper for helper in described["helpers"]}
    assert helpers["count_soft"]["body"] == "count_soft.body"
    assert helpers["raw_soft"]["body"] is None
    assert described["symbols"] == sorted(helpers)


# ---- What krtld does not understand ----


def patch_section(path: Path, name: str, field: int, value: int) -> Path:
    """Writes a 32-bit field of a section's header: 4 is sh_type, 8 sh_flags, 44 sh_info."""
    data = bytearray(path.read_bytes())
    table, count, names = (struct.unpack_from(f, data, o)[0] for f, o in
                           (("<Q", 40), ("<H", 60), ("<H", 62)))  # fmt: skip
    strings = struct.unpack_from("<Q", data, table + 64 * names + 24)[0]
    for at in range(table, table + 64 * count, 64):
        start = strings + struct.unpack_from("<I", data, at)[0]
        if data[start : data.index(0, start)] == name.encode():
            struct.pack_into("<I", data, at + field, value)
            path.write_bytes(data)
            return path
    raise AssertionError(name)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (0x40000014, "(SHT_CREL) relocates .text"), (19, "SHT_RELR"), (9, "SHT_REL"),
        (0x60000001, "SHT_ANDROID_REL"), (0x60000002, "SHT_ANDROID_RELA"),
        (0x60001234, "unknown type 0x60001234 says something about .text"),
    ],
)  # fmt: skip
def test_a_table_of_relocations_that_krtld_does_not_read(
    build: Build, kind: int, says: str
) -> None:
    """PEERS.md 32: krtld would refuse it, and a loader that skips it would run it unrelocated."""
    module = patch_section(build.module, ".rela.text", 4, kind)
    refused(build.check(module), "section .rela.text", says)
    patch_section(module, ".rela.text", 4, 4)
    assert build.check(module).returncode == 0


def test_a_loaded_section_of_unknown_type(build: Build) -> None:
    module = build.compile("odd", 'int f(void); int x[2] = {1}; int f(void) { return x[0]; }')
    assert build.check(module).returncode == 0
    patch_section(module, ".data", 4, 0x60000009)
    refused(build.check(module), "section .data is to be loaded")


def test_a_binding_that_the_gabi_does_not_have(build: Build) -> None:
    data = bytearray(build.module.read_bytes())
    table = struct.unpack_from("<Q", data, 40)[0]
    count = struct.unpack_from("<H", data, 60)[0]
    rows = (struct.unpack_from("<IIQQQQ", data, table + 64 * i) for i in range(count))
    symbols = next(row[4] for row in rows if row[1] == 2)
    data[symbols + 24 + 4] |= 0x50
    build.module.write_bytes(data)
    refused(build.check(build.module), "symbol 1 has the binding 5")


@pytest.mark.parametrize(("magic", "says"), [
    (b"\xfd7zXZ\0", "compressed by xz"), (b"\x1f\x8b\x08", "`gzip -d`"),
    (b"\x28\xb5\x2f\xfd", "zstd"), (b"\x1f\x8c", "no ELF file"),
])  # fmt: skip
def test_a_compressed_object_is_named_for_what_it_is(
    build: Build, magic: bytes, says: str
) -> None:
    (build.folder / "it.ko").write_bytes(magic + bytes(60))
    refused(build.check(build.folder / "it.ko"), says)


@pytest.mark.parametrize("size", [20, 64, 200, -1])
def test_an_object_that_is_cut_off_is_named_so(build: Build, size: int) -> None:
    whole = build.module.read_bytes()
    build.module.write_bytes(whole[:size])
    refused(build.check(build.module), "cut off")
    build.module.write_bytes(whole)
    assert build.check(build.module).returncode == 0


def test_the_ends_of_a_set_are_defined_by_krtld(build: Build) -> None:
    """PEERS.md 33, and its twin without the section."""
    text = "extern int __start_set[], __stop_set[]; int n(void);"
    text += " int n(void) { return (int)(__stop_set - __start_set); }"
    refused(build.check(build.compile("without", text)), "`__start_set` is defined nowhere")
    text += ' int one __attribute__((section("set"))) = 1;'
    assert build.check(build.compile("with", text)).returncode == 0
