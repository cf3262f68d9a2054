"""kmdb: the system stopped for the debugger, at -k, at breakpoints, after steps and in a panic."""

from __future__ import annotations

import re
from typing import Iterator

import pytest

from debugger import LIVE, STOPPED, ask, listing, load_capstone, mdb, without_capstone
from machines import SECONDS, booted, load, make_config

import guest
from machine import PROMPT, Machine, Verdict

NOP5, PADDED = "0f1f440000", "0f01ca6690"  # what smap_enable may be


def stopped(**options: str) -> Machine:
    """A machine with -k; read_until(STOPPED) in it."""
    args = ("-k " + options.pop("args", "")).strip()
    return Machine(make_config(args=args, **options), SECONDS)


def last_site(text: str) -> tuple[str, str]:
    """The code and the note of startup_smap's smap_enable, padding included in the code."""
    shown = [i for i in listing(text) if i.note.startswith("smap_enable")]
    return "".join(i.code.hex() for i in shown), shown[0].note


def set_breakpoint(machine: Machine, where: str) -> str:
    """From the shell, where the breakpoint is armed when the command is done."""
    text = mdb(machine, f"{where}:b")
    assert text.startswith("breakpoint at "), text
    return text


def run_into(machine: Machine, line: str) -> str:
    """Types a command of the shell that meets a breakpoint; what was said up to kmdb's prompt."""
    machine.send(line.encode() + b"\r")
    return machine.read_until(STOPPED)


@pytest.fixture(name="machine")
def fixture_machine() -> Iterator[Machine]:
    """A machine of its own for each test, with a disassembler."""
    with booted() as machine:
        machine.boot()
        load_capstone(machine)
        yield machine


# ---- -k ----

@pytest.mark.parametrize("cpu, args, code, note", [
    ("max", "", PADDED, "smap_enable: clac (smap)"),
    ("Nehalem", "", NOP5, "smap_enable: nop5 (the baseline)"),
    ("max", "disable_smap=1", NOP5, "smap_enable: nop5 (the baseline)"),
])
def test_k_stops_before_unix_is_patched_and_one_can_see_it_patched(cpu: str, args: str, code: str,
                                                                   note: str) -> None:
    with stopped(cpu=cpu, args=args) as machine:
        assert "kmdb: boot argument -k at mdb_start" in machine.read_until(STOPPED)
        before, said = last_site(ask(machine, "startup_smap::dis"))
        assert before.startswith("e8") and said == f"{note}, not patched yet"
        assert "unix is not patched yet" in ask(machine, "::hotinlines -v")
        ask(machine, "traps_patched:b")
        assert "breakpoint at traps_patched" in ask(machine, ":c")
        assert last_site(ask(machine, "startup_smap::dis")) == (code, note)
        assert "MISMATCH" not in ask(machine, "::hotinlines -v")
        ask(machine, "::delete all")
        machine.send(b":c\r")
        machine.boot()
        assert "MISMATCH" not in machine.command("hotinlines -v")
        assert machine.finish().verdict is Verdict.PASS


def test_without_k_nobody_stops() -> None:
    with booted() as machine:
        assert "kmdb" not in machine.boot()


def test_k_works_without_a_disassembler(tmp_path_factory: pytest.TempPathFactory) -> None:
    archive = without_capstone(tmp_path_factory.mktemp("bare"))
    with Machine(make_config(args="-k", archive=archive), SECONDS) as machine:
        machine.read_until(STOPPED)
        text = ask(machine, "startup_smap::dis")
        assert "no disassembler" in text and "not patched yet" in text
        machine.send(b":c\r")
        machine.boot()


def test_q_ends_a_system_that_is_stopped_and_control_d_does_not() -> None:
    with stopped() as machine:
        machine.read_until(STOPPED)
        machine.send(b"\x04")
        machine.read_until(STOPPED)
        assert "the system runs" not in ask(machine, "::status")
        assert machine.finish("$q").verdict is Verdict.PASS


def test_a_stopped_system_shows_registers_stack_and_status() -> None:
    with stopped() as machine:
        machine.read_until(STOPPED)
        assert re.search(r"unix:mdb_start\+0x\w+ \(\)\n.* unix:unix_main\+", ask(machine, "$c"))
        assert ask(machine, "::stack") == ask(machine, "$c")
        said = dict(re.findall(r"%(\w+) += (0x[0-9a-f]{16})", ask(machine, "$r")))
        registers = machine.monitor("info registers")
        assert len(said) == 24
        for name in ("cr0", "cr3", "cr4"):
            seen = re.findall(rf"{name.upper()}=([0-9a-f]+)", registers)
            assert int(said[name], 16) == int(seen[0], 16)
        assert "stopped: boot argument -k at mdb_start" in ask(machine, "::status")
        assert ask(machine, "<rip=X").startswith(said["rip"][2:])
        assert "stopped" in ask(machine, "::status")


def test_breakpoints_set_before_patching_survive_it_and_the_engine_sees_none() -> None:
    with stopped() as machine:
        machine.read_until(STOPPED)
        sites = re.findall(r"^([0-9a-f]{16})\tunix:peek\+", ask(machine, "::hotinlines unix"),
                           re.MULTILINE)
        assert len(sites) >= 3
        for site in sites:
            assert "breakpoint at peek" in ask(machine, f"{site}:b")
        machine.send(b":c\r")
        machine.boot()
        assert "MISMATCH" not in machine.command("hotinlines -v unix")
        for site in sites:
            assert machine.memory(int(site, 16), 1) == b"\xcc"
        assert "breakpoint at peek+" in run_into(machine, "dump 0x400000 16")


# ---- Breakpoints ----

def test_a_breakpoint_stops_each_time_and_the_system_goes_on(machine: Machine) -> None:
    expected = machine.command("dump unix_main 32")
    set_breakpoint(machine, "dump")
    for _ in range(3):
        assert "kmdb: breakpoint at dump\n" in run_into(machine, "dump unix_main 32") + "\n"
        assert re.search(r" unix:dump\+0x0 \(\)\n(?:.*\n)*.* unix:prompt\+", ask(machine, "$c"))
        machine.send(b":c\r")
        assert machine.read_until(PROMPT).partition("\n")[2] + "\n" == expected
    assert machine.finish().verdict is Verdict.PASS


def test_a_breakpoint_is_in_the_text_while_the_system_runs_and_leaves_the_exact_byte(
        machine: Machine) -> None:
    address = guest.symbols(machine, ["dump"])["dump"].address
    before = machine.memory(address, 64)
    set_breakpoint(machine, "dump")
    armed = machine.memory(address, 64)
    assert armed == b"\xcc" + before[1:]
    assert listing(mdb(machine, "dump::dis -n 1"))[0].code == before[:1]
    run_into(machine, "dump unix_main 32")
    assert machine.memory(address, 64) == before
    machine.send(b":c\r")
    machine.read_until(PROMPT)
    assert machine.memory(address, 64) == armed
    assert mdb(machine, "dump:d") == ""
    assert machine.memory(address, 64) == before
    assert "kmdb" not in machine.command("dump unix_main 32")


def test_no_writable_view_of_the_text_is_left_behind(machine: Machine) -> None:
    before = machine.monitor("info tlb")
    set_breakpoint(machine, "dump")
    run_into(machine, "dump unix_main 32")
    machine.send(b":c\r")
    machine.read_until(PROMPT)
    mdb(machine, "::delete all")

    def pages(text: str) -> list[str]:
        return sorted(re.sub(r"[AD]", "-", line) for line in text.splitlines())

    assert pages(machine.monitor("info tlb")) == pages(before)


def test_breakpoints_are_listed_and_deleted(machine: Machine) -> None:
    for where in ("dump", "run_help", "ring_nosuch"):
        mdb(machine, f"{where}:b")
    assert re.findall(r"^[0-9a-f]{16} (\S+)$", mdb(machine, "$b"), re.MULTILINE) == [
        "dump", "run_help"]
    assert mdb(machine, "run_help::delete") == ""
    assert "run_help" not in mdb(machine, "::events") and "dump" in mdb(machine, "::status")
    assert mdb(machine, "::delete all") == ""
    assert mdb(machine, "$b") == "no breakpoints; ADDR:b sets one\n"


def test_a_breakpoint_at_a_site_works_and_the_site_stays_what_it_is(machine: Machine) -> None:
    site = next(s for s in guest.hotinlines(machine, "unix").sites
                if s.name.startswith("unix:peek+") and s.hotinline == "smap_disable")
    set_breakpoint(machine, f"{site.address:x}")
    assert "MISMATCH" not in machine.command("hotinlines -v unix")
    assert machine.memory(site.address, 5) == b"\xcc\x01\xcb\x66\x90"
    assert f"breakpoint at {site.name[5:]}" in run_into(machine, "dump 0x400000 16")
    assert "AC clear" in ask(machine, "$r")
    ask(machine, "::step")
    assert "AC set" in ask(machine, "$r")
    machine.send(b":c\r")
    assert "5a 5a 5a 5a" in machine.read_until(PROMPT)


@pytest.mark.parametrize("inside", [1, 2, 3, 4])
def test_peers_31_a_breakpoint_inside_a_site_is_refused(machine: Machine, inside: int) -> None:
    site = next(s for s in guest.hotinlines(machine, "unix").sites
                if s.name.startswith("unix:peek+") and s.hotinline == "smap_disable")
    text = mdb(machine, f"{site.address + inside:x}:b")
    assert f"that is inside a site of smap_disable, whose bytes are one; its start is " \
           f"{site.address:x}" in text
    assert mdb(machine, "$b").startswith("no breakpoints")


@pytest.mark.parametrize("where, why", [
    ("dump+2", "that is inside the instruction at"),
    ("krtld", "that is not in the text of unix or of a module"),
    ("0", "that is not in the text"),
    ("400000", "that is not in the text"),
    ("trap", "the debugger itself needs that function"),
    ("trap_common", "the debugger itself needs that function"),
    ("mdb_trap", "the debugger itself needs that function"),
    ("kas_alias", "the debugger itself needs that function"),
    ("walk", "the debugger itself needs that function"),
    ("mdb_shell", "the debugger itself needs that function"),
    ("smap_enable", "the debugger itself needs that function"),
    ("nosuch", "no symbol"),
])
def test_a_breakpoint_where_there_can_be_none_is_refused(machine: Machine, where: str,
                                                         why: str) -> None:
    text = mdb(machine, f"{where}:b")
    assert why in text and text.startswith("mdb: ")
    assert mdb(machine, "$b").startswith("no breakpoints")


def either(machine: Machine) -> bytes:
    """Waits for one of the two prompts, and says which."""
    while True:
        found = {machine._buffer.find(prompt): prompt for prompt in (PROMPT, STOPPED)
                 if prompt in machine._buffer}
        if found:
            machine.read_until(found[min(found)])
            return found[min(found)]
        assert (data := machine.receive(30.0)), f"silence after {machine._buffer[-200:]!r}"
        machine._buffer += data.replace(b"\r", b"")


def break_at(machine: Machine, name: str) -> bool:
    """Sets a breakpoint, does this and that, and deletes it. True: it was met, which a timer may
    bring about at any moment, while a line is being typed too."""
    for line in (f"mdb -k -c '{name}:b'", "dump unix_main 16", "modload nothere",
                 f"mdb -k -c '{name}:d'"):
        machine.send(line.encode() + b"\r")
        if either(machine) == STOPPED:
            # ^U: what was typed before the stop may by itself be a command, such as `mdb -k`.
            machine.send(b"::delete all\r:c\r\x15mdb -k -c '::delete all'\rsym in_step\r")
            machine.read_until(b"sym: in_step")
            machine.read_until(PROMPT)
            return True
    return False


def test_a_breakpoint_at_any_function_of_unix_is_refused_or_survived(machine: Machine) -> None:
    """What the debugger itself runs on its way in and out is the hard part."""
    machine._deadline += 200.0
    names = re.findall(r"^[0-9a-f]+ +[1-9]\d* unix`(\S+)$", mdb(machine, "::nm"), re.MULTILINE)
    names = [name for name in names if name != "run_mdb"]  # it would be met on the way to itself
    assert sum(break_at(machine, name) for name in sorted(set(names))) > 20
    assert "no breakpoints" in mdb(machine, "$b")
    assert "MISMATCH" not in machine.command("hotinlines -v")
    assert machine.finish().verdict is Verdict.PASS


def test_there_is_one_breakpoint_at_a_place_and_sixteen_in_all(machine: Machine) -> None:
    set_breakpoint(machine, "dump")
    assert "there is one already" in mdb(machine, "dump:b")
    names = [i.name for i in listing(mdb(machine, "krtld_load::dis"))]
    for name in names[:15]:
        set_breakpoint(machine, name)
    assert "there are 16 already" in mdb(machine, f"{names[15]}:b")


def test_a_breakpoint_in_a_module_goes_with_the_module(machine: Machine) -> None:
    load(machine, ["counters", "ring"])
    set_breakpoint(machine, "ring_put")
    set_breakpoint(machine, "dump")
    assert "ring: unloaded" in machine.command("modunload ring")
    assert re.findall(r"^[0-9a-f]{16} (\S+)$", mdb(machine, "$b"), re.MULTILINE) == ["dump"]
    load(machine, ["ring"])
    assert "MISMATCH" not in machine.command("hotinlines -v")


def test_a_breakpoint_in_a_module_stops_there(machine: Machine) -> None:
    load(machine, ["counters"])
    set_breakpoint(machine, "counters`_fini")
    assert "breakpoint at counters`_fini" in run_into(machine, "modunload counters")
    assert " counters:_fini+0x0 ()" in ask(machine, "$c")
    machine.send(b":c\r")
    assert "counters: unloaded" in machine.read_until(PROMPT)


# ---- Steps ----

def test_steps_go_through_the_instructions_in_order(machine: Machine) -> None:
    set_breakpoint(machine, "dump")
    names = [i.name for i in listing(mdb(machine, "dump::dis"))]
    run_into(machine, "dump unix_main 32")
    straight = 6  # a prologue has no branches
    for name in names[1:straight]:
        assert ask(machine, "::step") == f"kmdb: stepped at {name}\n"
    assert "IF set" in ask(machine, "$r")
    machine.send(b":c\r")
    machine.read_until(PROMPT)


def test_a_step_does_not_show_in_the_flags_that_code_reads_or_writes(machine: Machine) -> None:
    """Through pushfq and cli: the flags are what they would have been."""
    set_breakpoint(machine, "thread_yield")
    machine.read_until(STOPPED)  # it waits for a key there
    seen = False
    for _ in range(20):
        text = ask(machine, "<rip::dis -n 1")
        if "pushfq" in text:
            seen = True
            ask(machine, "::step")
            flags = int(ask(machine, "<rsp/J").split()[-1], 16)
            assert flags & 0x100 == 0 and flags & 0x200
        elif re.search(r"\scli\b", text):
            ask(machine, "::step")
            assert "IF clear" in ask(machine, "$r")
            break
        else:
            ask(machine, "::step")
    assert seen
    ask(machine, "::delete all")
    machine.send(b":c\r\r")
    machine.read_until(PROMPT)
    assert machine.finish().verdict is Verdict.PASS


def test_a_step_off_a_breakpoint_leaves_it_where_it_is(machine: Machine) -> None:
    set_breakpoint(machine, "dump")
    run_into(machine, "dump unix_main 32")
    ask(machine, "::step")
    machine.send(b":c\r")
    machine.read_until(PROMPT)
    assert "breakpoint at dump" in run_into(machine, "dump unix_main 32")


# ---- Other ways in ----

def test_mdb_K_stops_a_running_system_and_c_lets_it_go_on(machine: Machine) -> None:
    machine.send(b"mdb -K\r")
    assert "kmdb: asked for by mdb -K at mdb_enter" in machine.read_until(STOPPED)
    assert "Breakpoint" in ask(machine, "::ttrace 1")
    machine.send(b":c\r")
    machine.read_until(PROMPT)
    assert "Capstone" in mdb(machine, "::status")


@pytest.mark.parametrize("crash, where", [("crash_ud", "crash_ud:"), ("crash_data", ""),
                                          ("crash_stack", "")])
def test_a_panic_enters_the_debugger_with_k(crash: str, where: str) -> None:
    with stopped() as machine:
        machine.read_until(STOPPED)
        ask(machine, "peek::dis -n 1")
        machine.send(b":c\r")
        machine.boot()
        text = run_into(machine, f"modload {crash}")
        assert "panic[cpu0]/thread=" in text and "kmdb: " in text
        assert where in ask(machine, "$c")
        assert "%rip" in ask(machine, "$r")
        assert len(listing(ask(machine, "<rip::dis -n 3"))) <= 3
        assert "after a panic nothing goes on; $q ends it" in ask(machine, ":c")
        assert "after a panic nothing goes on" in ask(machine, "::step")
        result = machine.finish("$q")
    assert result.verdict is Verdict.PANIC, str(result)


@pytest.mark.parametrize("crash", ["crash_ud", "crash_data"])
def test_a_panic_without_k_ends_at_once(crash: str) -> None:
    with booted() as machine:
        machine.boot()
        assert machine.finish(f"modload {crash}").verdict is Verdict.PANIC


def test_an_int3_that_is_no_breakpoint_is_a_panic() -> None:
    with booted() as machine:
        machine.boot()
        set_breakpoint(machine, "dump")
        result = machine.finish("modload crash_bp")
    assert result.verdict is Verdict.PANIC and "#bp Breakpoint" in result.console


def test_the_session_at_the_prompt_is_the_same_debugger(machine: Machine) -> None:
    set_breakpoint(machine, "dump")
    run_into(machine, "dump unix_main 16")
    inside = ask(machine, "peek::dis")
    ask(machine, "::delete all")
    machine.send(b":c\r")
    machine.read_until(PROMPT)
    assert mdb(machine, "peek::dis") == inside
    machine.send(b"mdb -k\r")
    machine.read_until(LIVE)
    assert ask(machine, "peek::dis", LIVE) == inside
