"""`mdb -k`: looking at the system while it runs."""

from __future__ import annotations

import re
from typing import Iterator

import capstone  # type: ignore[import]
import pytest

from debugger import LIVE, ask, listing, load_capstone, mdb, without_capstone
from machines import booted, load

import guest
from machine import PROMPT, Machine


@pytest.fixture(scope="module", name="machine")
def fixture_machine() -> Iterator[Machine]:
    """One machine with a disassembler for all tests that do not change it."""
    with booted() as machine:
        machine.boot()
        load_capstone(machine)
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
        load(machine, ["usercopy"])
        notes = [i.note for i in listing(mdb(machine, "user_copy::dis"))]
    assert "smap_enable: nop5 (the baseline), in the stub" in notes


def test_a_site_that_somebody_changed_is_called_altered() -> None:
    with booted() as machine:
        machine.boot()
        load_capstone(machine)
        site = guest.hotinlines(machine, "unix").sites[0]
        line = f"{site.address:x}::dis -n 1"
        assert listing(mdb(machine, line))[0].note == f"{site.hotinline}: {site.alternative} " \
            f"({site.when if site.when != '-' else 'the baseline'})"
        machine.command("modload corrupt")
        assert listing(mdb(machine, line))[0].note.endswith(", ALTERED")


@pytest.mark.parametrize("count", [1, 7, 20])
def test_dis_n_shows_as_many_instructions(machine: Machine, count: int) -> None:
    shown = listing(mdb(machine, f"peek::dis -n {count}"))
    assert len(shown) == count and shown[0].name == "peek"


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


def test_capstone_comes_by_itself_when_it_is_wanted_and_can_go_again() -> None:
    with booted() as machine:
        machine.boot()
        assert "capstone: loaded" not in mdb(machine, "peek::dis")
        assert "capstone: unloaded" in machine.command("modunload capstone")
        assert "capstone: loaded" in mdb(machine, "peek::dis")
        assert "MISMATCH" not in machine.command("hotinlines -v")
        before = guest.free_pages(machine)
        for _ in range(3):
            assert "capstone: unloaded" in machine.command("modunload capstone")
            assert "push   rbp" in mdb(machine, "peek::dis")
        assert guest.free_pages(machine) == before


def test_capstone_keeps_its_names_to_itself(machine: Machine) -> None:
    for name in ("malloc", "vsnprintf", "cs_disasm_iter", "MCInst_Init"):
        rows = re.findall(rf"\S+`{name}$", mdb(machine, f"{name}::nm"), re.MULTILINE)
        assert rows in ([], [f"capstone`{name}"])


# ---- Without the module ----

def test_without_capstone_dis_says_so_and_shows_bytes(bare: Machine) -> None:
    text = mdb(bare, "peek::dis")
    assert "no module capstone in the boot archive" in text
    assert "mdb: no disassembler: the module capstone is not loaded; these are bytes" in text
    symbol = guest.symbols(bare, ["peek"])["peek"]
    shown = listing(text)
    assert b"".join(i.code for i in shown) == bare.memory(symbol.address, symbol.size)
    assert {i.text for i in shown} == {""}


def test_without_capstone_sites_are_annotated_all_the_same(bare: Machine) -> None:
    shown = {i.note: i.code for i in listing(mdb(bare, "peek::dis"))}
    assert shown["smap_disable: stac (smap)"] == b"\x0f\x01\xcb\x66\x90"


def test_without_capstone_the_rest_works(bare: Machine) -> None:
    assert "disassembler: none" in mdb(bare, "::status")
    assert mdb(bare, "peek/i").startswith("peek:\t55\n")
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
    ("::help", ["::dis", "::step", ":c", "$q", "/X", "Tab completes"]),
    ("::help dis", ["[-n COUNT]"]),
    ("::help $c", ["stack"]),
    ("peek::nm", ["unix`peek"]),
    ("peek+8::nm", ["unix`peek"]),
    ("::nm ring", ["ring`ring_put", "ring`_init"]),
    ("::nm", ["unix`unix_main"]),
    ("peek", ["peek"]),
    ("peek+10=X", ["peek+0x10"]),
    ("0t16", ["10\t0x10"]),
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
    ("<rip::dis", "mdb: <rip: no symbol"),
    (".::dis", "mdb: .: no symbol"),
    ("::dis", "mdb: ::dis: needs an address in front of it: ADDR::dis"),
    ("peek::dis -n", "mdb: ::dis takes -n and a number from 1 to 10000"),
    ("peek::dis -n 0", "mdb: ::dis takes -n and a number"),
    ("peek::dis -n many", "mdb: ::dis takes -n and a number"),
    ("peek::dis -n 10001", "mdb: ::dis takes -n and a number"),
    ("peek::dis -n -1", "mdb: ::dis takes -n and a number"),
    ("peek::dis 20", "mdb: ::dis takes -n and a number"),
    ("peek::dis a b c", "usage: ADDR::dis [-n COUNT]"),
    ("peek::dis a b c d e", "mdb: a command has at most 4 arguments"),
    ("10::dis", "mdb: nothing is mapped at 10"),
    ("8000000000000000::dis", "mdb: nothing is mapped at 8000000000000000"),
    ("ffffffffffffffff::dis -n 2", "mdb: nothing is mapped at ffffffffffffffff"),
    ("123456789abcdef01::dis", "mdb: 123456789abcdef01: no symbol"),
    ("10::dump", "dump: nothing is mapped at 10"),
    ("peek::dump 0", "mdb: ::dump: the length is a number from 1 to 65536, not 0"),
    ("peek::dump x", "mdb: ::dump: the length is a number"),
    ("::dump", "mdb: ::dump: needs an address"),
    ("10/X", "mdb: nothing is mapped at 10"),
    ("/X", "mdb: nothing is mapped at 0"),
    ("peek/", "mdb: /: no such format; there are"),
    ("peek/Q", "mdb: /Q: no such format; there are"),
    ("peek/XX", "mdb: /XX: no such format; there are"),
    ("peek,x/X", "mdb: the count is a number, not x"),
    ("peek,0/X", "mdb: the count is a number, not 0"),
    ("peek,99999/X", "mdb: the count is at most 4096"),
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
    ("::ttrace x", "mdb: ::ttrace: the number of lines is not x"),
    ("::status x", "usage: ::status"),
    ("$c", "mdb: $c: the system runs"),
    ("::stack", "mdb: ::stack: the system runs"),
    ("$r", "mdb: $r: the system runs"),
    ("::regs", "mdb: ::regs: the system runs"),
    ("::step", "mdb: ::step: the system runs"),
    (":c", "mdb: :c: the system runs"),
    (":b", "mdb: :b: needs an address"),
    (":d", "mdb: ADDR:d deletes a breakpoint"),
    ("::delete some", "mdb: ADDR:d deletes a breakpoint"),
    ("peek:d", "mdb: there is no breakpoint at peek; $b lists them"),
])
def test_bad_input_gets_a_clear_answer(machine: Machine, command: str, said: str) -> None:
    text = mdb(machine, command)
    assert text.startswith(said), text


@pytest.mark.parametrize("letter, size", [("B", 1), ("x", 2), ("X", 4), ("J", 8)])
def test_formats_show_what_is_in_memory(machine: Machine, letter: str, size: int) -> None:
    address = guest.symbols(machine, ["peek"])["peek"].address
    memory = machine.memory(address, 5 * size)
    rows = re.findall(r"^(\S+):\t([0-9a-f]+)$", mdb(machine, f"peek,5/{letter}"), re.MULTILINE)
    assert [int(value, 16) for _, value in rows] == [
        int.from_bytes(memory[i * size:(i + 1) * size], "little") for i in range(5)]
    assert [name for name, _ in rows][:2] == ["peek", f"peek+0x{size:x}"]


def test_other_formats(machine: Machine) -> None:
    memory = machine.memory(guest.symbols(machine, ["peek"])["peek"].address, 8)
    assert mdb(machine, "peek/D") == f"peek:\t{int.from_bytes(memory[:4], 'little', signed=True)}\n"
    assert mdb(machine, "peek/E") == f"peek:\t{int.from_bytes(memory, 'little')}\n"
    assert mdb(machine, "krtld/p").endswith(" unix_ops\n")
    assert mdb(machine, "peek,2/i").splitlines()[0] == "peek:\tpush   rbp"
    names = mdb(machine, "boot_arguments/s")
    assert "boot arguments:" in names


def test_dump_is_that_of_the_prompt(machine: Machine) -> None:
    assert mdb(machine, "peek::dump 48") == machine.command("dump peek 48")


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
