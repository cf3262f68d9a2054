"""`mdb -k`: looking at the system while it runs."""

from __future__ import annotations

import re
from typing import Iterator

import capstone  # type: ignore[import]
import pytest

from debugger import LIVE, ask, listing, mdb, without_capstone
from machines import booted, load

import guest
from machine import PROMPT, Machine


@pytest.fixture(scope="module", name="machine")
def fixture_machine() -> Iterator[Machine]:
    """One machine for all tests that do not change it."""
    with booted() as machine:
        machine.boot()
        load(machine, ["ring"])
        yield machine


@pytest.fixture(scope="module", name="bare")
def fixture_bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine whose archive has no disassembler."""
    with booted(archive=without_capstone(tmp_path_factory.mktemp("bare"))) as machine:
        machine.boot()
        yield machine


# ---- ::dis ----

@pytest.mark.parametrize("function", ["peek", "startup_smap", "krtld_load", "trap_common", "trap",
                                      "ring`ring_put", "capstone`decode", "copy_bytes_base"])
def test_dis_says_what_capstone_says_on_the_host(machine: Machine, function: str) -> None:
    shown = listing(mdb(machine, f"{function}::dis"))
    symbol = guest.symbols(machine, [function.replace("`", ":")])[function.replace("`", ":")]
    memory = machine.memory(symbol.address, max(symbol.size, sum(len(i.code) for i in shown)))
    engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    expected = list(engine.disasm(memory, symbol.address))[:len(shown)]
    assert len(shown) > 3 and b"".join(i.code for i in shown) == memory[:sum(
        len(i.code) for i in shown)]
    for said, host in zip(shown, expected, strict=True):
        assert re.sub(r" <.*>$", "", said.text).split() == f"{host.mnemonic} {host.op_str}".split()


@pytest.mark.parametrize("cpu, site", [("max", "stac"), ("max,-smap", "nop")])
def test_a_site_is_shown_with_its_hotinline_and_what_was_chosen(cpu: str, site: str) -> None:
    with booted(cpu=cpu) as machine:
        machine.boot()
        notes = {i.note: i.text for i in listing(mdb(machine, "peek::dis"))}
    if cpu == "max":
        assert notes["smap_disable: stac (smap)"] == "stac"
        assert notes["smap_enable: clac (smap)"] == "clac"
        assert notes["smap_disable: padding"] == "nop"
    else:
        assert notes["smap_disable: nop5 (the baseline)"].startswith("nop")
        assert not any("stac" in text or "clac" in text for text in notes.values())


def test_a_site_that_keeps_its_call_says_that_the_stub_does_it() -> None:
    with booted(cpu="Nehalem") as machine:
        machine.boot()
        load(machine, ["crosspage", "usercopy"])
        kept = [i.note for i in listing(mdb(machine, "crosspage_jmp::dis"))]
        inline = [i.note for i in listing(mdb(machine, "user_copy::dis"))]
    # popcnt takes all 5 bytes and leaves none for a return; a NOP in a jmp site is the return alone.
    assert "popcount64: popcnt rax, rdi (popcnt), in the stub" in kept
    assert "smap_enable: nop5 (the baseline)" in inline


def test_a_site_that_somebody_changed_is_called_altered() -> None:
    with booted() as machine:
        machine.boot()
        site = guest.hotinlines(machine, "unix").sites[0]
        line = f"{site.address:x}::dis -n 1"
        assert listing(mdb(machine, line))[0].note == f"{site.hotinline}: {site.alternative} " \
            f"({site.when if site.when != '-' else 'the baseline'})"
        machine.command("modload corrupt")
        assert listing(mdb(machine, line))[0].note.endswith(", ALTERED")


@pytest.mark.parametrize("count", [1, 7, 20])
def test_dis_n_shows_as_many_instructions(machine: Machine, count: int) -> None:
    shown = listing(mdb(machine, f"peek::dis -n {count:x}"))
    assert len(shown) == count and shown[0].name == "peek"
    assert listing(mdb(machine, f"peek::dis -n 0t{count}")) == shown


def test_dis_inside_a_function_shows_all_of_it_and_with_n_goes_on_from_there(
        machine: Machine) -> None:
    whole = mdb(machine, "peek::dis")
    second = listing(whole)[1]
    inside = second.name
    assert mdb(machine, f"{inside}::dis") == whole
    assert listing(mdb(machine, f"{inside}::dis -n 1")) == [second]
    address = guest.symbols(machine, ["peek"])["peek"].address
    assert mdb(machine, f"{address:x}::dis") == whole
    assert mdb(machine, f"unix`{inside}::dis -n 1") == mdb(machine, f"{inside}::dis -n 1")


def test_targets_and_data_are_named(machine: Machine) -> None:
    text = mdb(machine, "startup_smap::dis")
    assert "<kas_alias>" in text and "<krtld+0x" in text


def test_what_is_no_instruction_is_bad_and_the_next_byte_is_tried(machine: Machine) -> None:
    address = 0x400000  # the probe page: 5a 5a …, pop rdx
    assert {i.text for i in listing(mdb(machine, f"{address:x}::dis -n 5"))} == {"pop    rdx"}
    symbol = guest.symbols(machine, ["cpu_cpuid"])["cpu_cpuid"]
    shown = listing(mdb(machine, f"{symbol.address:x}::dis -n 3"))
    assert b"".join(i.code for i in shown) == machine.memory(
        symbol.address, sum(len(i.code) for i in shown))


def test_the_disassembler_leaves_the_cpu_as_it_was(machine: Machine) -> None:
    def state() -> list[str]:
        said = machine.monitor("info registers")
        return re.findall(r"(?:CR0|CR4|MXCSR|FS|GS) ?=[0-9a-f ]+", said)

    before = state()
    assert len(before) >= 5
    mdb(machine, "krtld_load::dis")
    assert state() == before


def test_capstone_can_go_and_come_again_and_dis_says_what_to_do() -> None:
    with booted() as machine:
        machine.boot()
        assert "push   rbp" in mdb(machine, "peek::dis")
        before = guest.free_pages(machine)
        for _ in range(3):
            assert "capstone: unloaded" in machine.command("modunload capstone")
            text = mdb(machine, "peek::dis")
            assert "the module capstone is not loaded" in text and "push" not in text
            assert "`modload capstone`" in text
            load(machine, ["capstone"])
            assert "push   rbp" in mdb(machine, "peek::dis")
        assert guest.free_pages(machine) == before
        assert "MISMATCH" not in machine.command("hotinlines -v")


def test_capstone_keeps_its_names_to_itself(machine: Machine) -> None:
    for name in ("malloc", "vsnprintf", "cs_disasm_iter", "MCInst_Init"):
        rows = re.findall(rf"\S+`{name}$", mdb(machine, f"{name}::nm"), re.MULTILINE)
        assert rows in ([], [f"capstone`{name}"])


# ---- Without the module ----

def test_without_capstone_dis_says_so_and_shows_bytes(bare: Machine) -> None:
    text = mdb(bare, "peek::dis")
    assert text.startswith("mdb: no disassembler, so these are bytes: the module capstone is not "
                           "in the boot archive")
    symbol = guest.symbols(bare, ["peek"])["peek"]
    shown = listing(text)
    assert b"".join(i.code for i in shown) == bare.memory(symbol.address, symbol.size)
    assert {i.text for i in shown} == {""}


def test_without_capstone_sites_are_annotated_all_the_same(bare: Machine) -> None:
    shown = {i.note: i.code for i in listing(mdb(bare, "peek::dis"))}
    assert shown["smap_disable: stac (smap)"] == b"\x0f\x01\xcb\x66\x90"


def test_without_capstone_the_rest_works(bare: Machine) -> None:
    assert "disassembler: none" in mdb(bare, "::status")
    assert mdb(bare, "peek,2/i") == "peek:\t55\npeek+0x1:\t48\n"
    assert re.search(r"^unix: \d+ sites, .*: verified, OK$", mdb(bare, "::hotinlines -v"),
                     re.MULTILINE)


# ---- Commands ----

@pytest.mark.parametrize("command, words", [
    ("::status", ["the system runs", "SMAP on", "disassembler: Capstone", "no breakpoints"]),
    ("::features", ["smap", "cpuid 7.0 ebx[20]"]),
    ("::modinfo", ["unix", "ring", "in the archive:"]),
    ("::modinfo ring", ["section 1 0x", ".text"]),
    ("::hotinlines", ["unix:peek+", "stac"]),
    ("::hotinlines -v", ["verified, OK"]),
    ("::hotinlines -v ring", ["ring: 4 sites", "verified, OK"]),
    ("::hotinlines ring", ["ring:ring_put+"]),
    ("::msgbuf", ["hotinline on QEMU", "ring: loaded"]),
    ("::ttrace", ["Timer", "interrupt"]),
    ("::ttrace 2", ["Timer"]),
    ("::help", ["::dis", "::step", ":c", "$q", "/X", "=K", ":e", ":u", "$C", "Tab completes"]),
    ("::help dis", ["ADDR::dis [-n COUNT]"]),
    ("::help step", ["::step [over|out]"]),
    ("::help nm", ["[ADDR]::nm [MODULE]"]),
    ("::cpuinfo", ["ID", "CR4", "running", "boot"]),
    ("::help $c", ["stack"]),
    ("peek::nm", ["unix`peek"]),
    ("peek+8::nm", ["unix`peek"]),
    ("::nm ring", ["ring`ring_put", "ring`_init"]),
    ("::nm", ["unix`unix_main"]),
    ("peek", ["peek"]),
    ("peek+10=p", ["peek+0x10"]),
    ("peek + 8 + 0t8 =p", ["peek+0x10"]),
    ("0t16", ["10\t0x10"]),
    ("peek=", ["peek"]),
    ("peek?K", ["peek:"]),
    ("$b", ["no breakpoints"]),
    ("::events", ["no breakpoints"]),
])
def test_each_command_answers(machine: Machine, command: str, words: list[str]) -> None:
    text = mdb(machine, command)
    for word in words:
        assert word in text
    assert "mdb:" not in text


@pytest.mark.parametrize("command, said", [
    ("nosuch::dis", "mdb: nosuch: no symbol, and no hexadecimal number"),
    ("ring`nosuch::dis", "mdb: ring`nosuch: no symbol"),
    ("nosuch`peek::dis", "mdb: nosuch`peek: no symbol"),
    ("peek+zz::dis", "mdb: peek+zz: no symbol"),
    ("peek+::dis", "mdb: peek+: no symbol"),
    ("<rip::dis", "mdb: <rip: the system runs, and its registers with it"),
    ("<rip=K", "mdb: <rip: the system runs"),
    ("<nosuch/K", "mdb: <nosuch: the system runs"),
    (".::dis", "mdb: .: no address was given before"),
    (".=X", "mdb: .: no address was given before"),
    ("peek-unix_mainx=X", "mdb: peek-unix_mainx: no symbol"),
    ("peek++8=X", "mdb: peek++8: no symbol"),
    ("::nm | ::grep x", "mdb: `|`: there are no pipes here; give each command its address"),
    ("peek::dis|more", "mdb: `|`: there are no pipes here"),
    ("!ls", "mdb: `!`: there is no shell here"),
    ("::nm !grep peek", "mdb: `!`: there is no shell here"),
    ("5>rip", "mdb: `>`: registers are read here, not set"),
    ("peek/W 5", "mdb: /W takes nothing after it, not 5"),
    ("peek/W", "mdb: /W: that writes memory, and this debugger only reads it"),
    ("peek?v", "mdb: /v: that writes memory"),
    ("peek/X 5", "mdb: /X takes nothing after it, not 5"),
    ("peek/4X", "mdb: /4X: the count comes first: ADDR,COUNT/FORMAT"),
    ("peek=s", "mdb: =s: no such format; there are"),
    ("peek=i", "mdb: =i: no such format; there are"),
    ("peek=Q", "mdb: =Q: no such format; there are"),
    ("peek=XX", "mdb: =XX: no such format; there are"),
    ("peek,2=X", "mdb: =X: takes no count"),
    ("peek,2", "mdb: an address alone: takes no count"),
    (",2", "mdb: ,COUNT: needs an address in front of it"),
    ("=X", "mdb: =X: needs an address in front of it"),
    ("peek,2::dis", "mdb: ::dis: takes no count"),
    ("peek::status", "mdb: ::status: takes no address in front of it"),
    ("peek::cpuinfo", "mdb: ::cpuinfo: takes no address in front of it"),
    ("::cpuinfo -v", "usage: ::cpuinfo"),
    ("::whatis", "mdb: ::whatis: needs an address"),
    ("peek::whatis -v", "usage: ADDR::whatis"),
    ("::dis", "mdb: ::dis: needs an address in front of it: ADDR::dis"),
    ("peek::dis -n", "mdb: ::dis takes -n and a number from 1 to 0t10000"),
    ("peek::dis -n 0", "mdb: ::dis takes -n and a number"),
    ("peek::dis -n many", "mdb: ::dis takes -n and a number"),
    ("peek::dis -n 2711", "mdb: ::dis takes -n and a number"),
    ("peek::dis -n -1", "mdb: ::dis takes -n and a number"),
    ("peek::dis 20", "mdb: ::dis takes -n and a number"),
    ("peek::dis a b c", "usage: ADDR::dis [-n COUNT]"),
    ("peek::dis a b c d e", "mdb: a command has at most 4 arguments"),
    ("10::dis", "mdb: nothing is mapped at 0x10"),
    ("8000000000000000::dis", "mdb: nothing is mapped at 0x8000000000000000"),
    ("ffffffffffffffff::dis -n 2", "mdb: nothing is mapped at 0xffffffffffffffff"),
    ("123456789abcdef01::dis", "mdb: 123456789abcdef01: no symbol"),
    ("10::dump", "dump: nothing is mapped at 0x10"),
    ("peek::dump 0", "mdb: ::dump: the length is a number from 1 to 0t65536, not 0"),
    ("peek::dump x", "mdb: ::dump: the length is a number"),
    ("::dump", "mdb: ::dump: needs an address"),
    ("10/X", "mdb: nothing is mapped at 0x10"),
    ("/X", "mdb: /X: needs an address in front of it"),
    ("peek/", "mdb: /: no such format; there are"),
    ("peek/Q", "mdb: /Q: no such format; there are"),
    ("peek/XX", "mdb: /XX: no such format; there are"),
    ("peek,x/X", "mdb: the count is a number, not x"),
    ("peek,0/X", "mdb: the count is a number, not 0"),
    ("peek,1001/X", "mdb: the count is at most 0t4096"),
    ("::frobnicate", "mdb: ::frobnicate: no such command; ::help lists them"),
    ("$frob", "mdb: $frob: no such command; ::help lists them"),
    (":z", "mdb: :z: no such command; ::help lists them"),
    ("::", "mdb: ::: no such command"),
    ("$", "mdb: $: no such command"),
    ("::" + "x" * 100, "mdb: ::xxx"),
    ("frob", "mdb: frob: no symbol"),
    ("::help frob", "mdb: frob: no such command"),
    ("::modinfo frob", "mdb: no module frob is loaded"),
    ("::hotinlines frob", "mdb: no module frob is loaded"),
    ("::hotinlines -v frob", "mdb: no module frob is loaded"),
    ("::hotinlines ring ring", "usage: ::hotinlines [-v] [MODULE]"),
    ("::nm frob", "mdb: no module frob is loaded"),
    ("10::nm", "mdb: ::nm: 10 is in no symbol of a module"),
    ("::ttrace x", "mdb: ::ttrace: the number of lines is from 1 to 0t10000, not x"),
    ("::status x", "usage: ::status"),
    ("$c", "mdb: the system runs, and its stack with it"),
    ("::stack", "mdb: the system runs, and its stack with it"),
    ("$r", "mdb: $r: the system runs"),
    ("::regs", "mdb: ::regs: the system runs"),
    ("::step", "mdb: ::step: the system runs"),
    (":c", "mdb: :c: the system runs"),
    ("$C", "mdb: the system runs, and its stack with it; ADDR$c shows the stack"),
    (":e", "mdb: :e: the system runs"),
    (":u", "mdb: :u: the system runs"),
    ("::step over", "mdb: ::step: the system runs"),
    (":b", "mdb: :b: needs an address"),
    (":d", "mdb: ADDR:d deletes a breakpoint"),
    ("::delete some", "mdb: ADDR:d deletes a breakpoint"),
    ("peek:d", "mdb: there is no breakpoint at peek; $b lists them"),
])
def test_bad_input_gets_a_clear_answer(machine: Machine, command: str, said: str) -> None:
    text = mdb(machine, command)
    assert text.startswith(said), text


@pytest.mark.parametrize("letter, size", [("B", 1), ("x", 2), ("X", 4), ("J", 8), ("K", 8)])
def test_formats_show_what_is_in_memory(machine: Machine, letter: str, size: int) -> None:
    address = guest.symbols(machine, ["peek"])["peek"].address
    memory = machine.memory(address, 5 * size)
    rows = re.findall(r"^(\S+):\t([0-9a-f]+)$", mdb(machine, f"peek,5/{letter}"), re.MULTILINE)
    assert [int(value, 16) for _, value in rows] == [
        int.from_bytes(memory[i * size:(i + 1) * size], "little") for i in range(5)]
    assert [name for name, _ in rows][:2] == ["peek", f"peek+0x{size:x}"]


@pytest.mark.parametrize("letter, size, signed", [
    ("V", 1, False), ("d", 2, True), ("u", 2, False), ("D", 4, True), ("U", 4, False),
    ("e", 8, True), ("E", 8, False)])
def test_decimal_formats(machine: Machine, letter: str, size: int, signed: bool) -> None:
    """Of memory, and of numbers, which are cut to as many bytes."""
    memory = machine.memory(guest.symbols(machine, ["peek"])["peek"].address, size)
    value = int.from_bytes(memory, "little", signed=signed)
    assert mdb(machine, f"peek/{letter}") == f"peek:\t{value}\n"
    assert mdb(machine, f"-1={letter}").strip() == str(-1 if signed else (1 << 8 * size) - 1)


def test_other_formats(machine: Machine) -> None:
    assert mdb(machine, "krtld/p").endswith("\tunix_ops\n")
    shown = [i.text for i in listing(mdb(machine, "peek::dis -n 3"))]
    assert re.findall(r"^peek\S*:\t(.*)$", mdb(machine, "peek,3/i"), re.MULTILINE) == shown
    name = mdb(machine, "boot_thread+10/K").split()[-1]  # struct thread's third member
    assert mdb(machine, f"{name}/s").endswith(":\tboot\n")


def test_an_instruction_in_a_format_is_annotated_as_in_dis(machine: Machine) -> None:
    site = next(i for i in listing(mdb(machine, "peek::dis")) if i.note.startswith("smap_disable:"))
    assert mdb(machine, f"{site.name}/i") == f"{site.name}:\t{site.text}  ; {site.note}\n"


@pytest.mark.parametrize("typed, shown", [
    ("0t10=X", "a"), ("10=D", "16"), ("0x10=D", "16"), ("0t10+10=D", "26"), ("0=K", "0"),
    ("-1=K", "f" * 16), ("-1=B", "ff"), ("-1=x", "ffff"), ("12345678=x", "5678"),
    ("dtrace_copy=p", "dtrace`dtrace_copy"), ("dtrace`dtrace_copy+3=p", "dtrace`dtrace_copy+0x3"),
    ("dtrace_copy - dtrace_copy =D", "0"), ("10=p", "0x10"),
])
def test_an_expression_is_shown_in_a_format(machine: Machine, typed: str, shown: str) -> None:
    assert mdb(machine, typed) == " " * 16 + shown + "\n"


def test_every_number_that_is_typed_is_hexadecimal(machine: Machine) -> None:
    machine.command("badargs")  # for the trap trace: some hundred system calls
    for typed in ("10", "0x10", "0t16"):
        assert len(mdb(machine, f"peek,{typed}/B").splitlines()) == 16
        assert len(listing(mdb(machine, f"peek::dis -n {typed}"))) == 16
        assert len(mdb(machine, f"peek::dump {typed}").splitlines()) == 1
        assert len(mdb(machine, f"::ttrace {typed}").splitlines()) == 17


# ---- What an address is ----

def whatis(machine: Machine, address: str) -> str:
    """What ::whatis says, after the address."""
    text = mdb(machine, f"{address}::whatis")
    assert re.match(r"[0-9a-f]{16} is ", text), text
    return text[20:-1]


def test_whatis_knows_modules_threads_and_memory(machine: Machine) -> None:
    assert whatis(machine, "peek+3") == "peek+0x3, in unix's text segment"
    assert whatis(machine, "ring`ring_put") == "ring`ring_put, in ring's text segment"
    assert whatis(machine, "krtld") == "krtld, in unix's data segment"
    assert whatis(machine, "unix_ops") == "unix_ops, in unix's read-only data segment"
    assert whatis(machine, "ffff800000001234") == \
        "in the map of physical memory: physical address 0x1234"
    assert whatis(machine, "400010").startswith("in a page of a user's, at physical address ")
    assert whatis(machine, "10") == "unknown: nothing is mapped there"
    assert whatis(machine, "8000000000000000") == "unknown: nothing is mapped there"
    thread = mdb(machine, "idle/K").split()[-1]
    assert whatis(machine, thread) == f"in thread {thread}'s structure (idle)"
    stack = mdb(machine, f"{thread}+18/K").split()[-1]
    assert whatis(machine, f"{stack}+8") == f"in thread {thread}'s stack (idle)"


def test_where_no_frame_is_the_stack_is_empty(machine: Machine) -> None:
    for address in ("10", "ffff800000000001"):
        assert mdb(machine, f"{address}$c") == ""


@pytest.mark.parametrize("smp", ["1", "4"])
def test_cpuinfo_lists_every_cpu_with_its_cr4(smp: str) -> None:
    with booted(smp=smp) as machine:
        machine.boot()
        said = machine.monitor("info registers -a")
        rows = re.findall(r"^ *(\d+) +(\w+) (running|at rest) +([0-9a-f]+) +(\S+) +(\S+)$",
                          mdb(machine, "::cpuinfo"), re.MULTILINE)
    assert [int(row[3], 16) for row in rows] == [
        int(value, 16) for value in re.findall(r"CR4=([0-9a-f]+)", said)]
    assert [row[0] for row in rows] == [str(i) for i in range(int(smp))]
    assert [row[2] for row in rows] == ["running"] + ["at rest"] * (int(smp) - 1)
    assert rows[0][5] == "boot"


def test_dump_is_that_of_the_prompt(machine: Machine) -> None:
    assert mdb(machine, "peek::dump 30") == machine.command("dump peek 48")


def test_msgbuf_has_what_the_kernel_said_and_not_what_the_debugger_did(machine: Machine) -> None:
    mdb(machine, "peek::dis -n 2")
    text = mdb(machine, "::msgbuf")
    assert "SMAP on" in text and "push   rbp" not in text and "mdb -k" not in text


def test_msgbuf_keeps_the_newest_when_it_is_full(machine: Machine) -> None:
    for _ in range(4):
        machine.command("hotinlines")
    machine.command("nosuch_newest")
    text = mdb(machine, "::msgbuf")
    assert "nosuch_newest: no such command" in text.splitlines()[-1]
    assert 20000 < len(text) <= 33000 and "hotinline on QEMU" not in text
    assert re.match(r"[0-9a-f]{16}\t|\w+: ", text), "it begins with a whole line"


# ---- The session ----

def test_a_session_keeps_dot_and_its_history_and_ends_with_q(machine: Machine) -> None:
    machine.send(b"mdb -k\r")
    machine.read_until(LIVE)
    first = ask(machine, "peek::dis -n 2", LIVE)
    assert ask(machine, "::dis -n 2", LIVE) == first
    assert ask(machine, ".+1::dis -n 1", LIVE) == first.splitlines()[1] + "\n"
    machine.send(b"\x1b[A\x1b[A\x1b[A\r")
    assert first.strip() in machine.read_until(LIVE)
    machine.send(b"\r")
    machine.read_until(LIVE)
    machine.send(b"$q\r")
    machine.read_until(PROMPT)


def test_control_d_leaves_too(machine: Machine) -> None:
    machine.send(b"mdb -k\r")
    machine.read_until(LIVE)
    machine.send(b"\x04")
    machine.read_until(PROMPT)


@pytest.mark.parametrize("keys, said", [
    (b"startup_sm\t::dis -n 1", "push   rbp"),
    (b"startup_smap::di\t -n 1", "push   rbp"),
    (b"ring`ring_p\t::dis -n 1", "ring`ring_put:"),
    (b"::stat\t", "the system runs"),
    (b"::hotinlines -v rin\t", "ring: 4 sites"),
    (b"::modinfo rin\t", "section 1"),
    (b"nosuchthing\t", "nosuchthing: no symbol"),
])
def test_tab_completes_symbols_and_commands(machine: Machine, keys: bytes, said: str) -> None:
    machine.send(b"mdb -k\r")
    machine.read_until(LIVE)
    machine.send(keys + b"\r")
    text = machine.read_until(LIVE)
    machine.send(b"$q\r")
    machine.read_until(PROMPT)
    assert said in text


def test_tab_lists_when_there_are_several(machine: Machine) -> None:
    machine.send(b"mdb -k\r")
    machine.read_until(LIVE)
    machine.send(b"::mo\x15::m\t\x15copyin\t\x15ring`\t\x15$q\r")
    text = machine.read_until(PROMPT)
    assert "::modinfo  ::msgbuf" in text
    assert re.search(r"copyin  copyinstr|copyinstr  copyin", text)
    assert "ring_put" in text and "ring_take" in text


@pytest.mark.parametrize("line", ["mdb", "mdb -x", "mdb -k -c", "mdb -k -x peek", "mdb -k peek",
                                  "mdb -K -c peek::dis"])
def test_wrong_use_of_mdb_shows_its_usage(machine: Machine, line: str) -> None:
    assert machine.command(line) == "usage: mdb -k [-c 'COMMAND'] | -K\n"


def test_quotes_hold_a_command_together(machine: Machine) -> None:
    shown = machine.command("mdb -k -c 'peek::dis -n 2'")
    assert machine.command('mdb -k -c "peek::dis -n 2"') == shown
    assert machine.command("mdb -k -c peek::dis' '-n' '2") == shown
    assert listing(shown) and len(listing(shown)) == 2


def test_the_window_of_dtrace_copy_is_where_it_should_be() -> None:
    for cpu, opens, closes in (("max", "stac", "clac"), ("Nehalem", "nop", "nop")):
        with booted(cpu=cpu) as machine:
            machine.boot()
            shown = listing(mdb(machine, "dtrace_copy::dis"))
        sites = [i for i in shown if i.note and "padding" not in i.note]
        assert sites[0].note.startswith("smap_disable: ") and sites[0].text.startswith(opens)
        assert sites[-1].note.startswith("smap_enable: ") and sites[-1].text.startswith(closes)
