"""kmdb: the system stopped for the debugger, at -kd, at breakpoints, after steps and in a panic."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Iterator

import pytest

from debugger import LIVE, STOPPED, ask, listing, mdb, without_capstone
from machines import booted, load, make_config

import guest
from machine import PROMPT, Machine, Verdict

NOP5, PADDED = "0f1f440000", "0f01ca6690"  # what smap_enable may be


def stopped(how: str = "-kd=early", **options: Any) -> Machine:
    """A machine that stops before unix is patched; read_until(STOPPED) in it."""
    args = f"{how} {options.pop('args', '')}".strip()
    return Machine(make_config(args=args, **options))


def last_site(text: str) -> tuple[str, str]:
    """The code and the note of startup_smap's smap_enable, padding included in the code."""
    shown = [i for i in listing(text) if i.note.startswith("smap_enable")]
    return "".join(i.code.hex() for i in shown), shown[0].note


def set_breakpoint(machine: Machine, where: str) -> str:
    """From the shell, where the breakpoint is armed when the command is done."""
    text = mdb(machine, f"{where}:b")
    assert text.startswith("breakpoint at "), text
    return text


def stop_in(text: str) -> str:
    """Why and where a text says that the system is stopped, and that it shows the instruction."""
    found = re.search(r"^kmdb: (.*) at (\S+)\n\2:\t\S+.*$", text, re.MULTILINE)
    assert found and text.count("kmdb: ") == 1, text
    return f"{found[1]} at {found[2]}"


def run_into(machine: Machine, line: str) -> str:
    """Types a command of the shell that meets a breakpoint; what was said up to kmdb's prompt."""
    machine.send(line.encode() + b"\r")
    return machine.read_until(STOPPED)


@pytest.fixture(name="machine")
def fixture_machine() -> Iterator[Machine]:
    """A machine of its own for each test."""
    with booted() as machine:
        machine.boot()
        yield machine


# ---- -k, -kd, -kd=early ----

CPUS = [
    ("max", "", PADDED, "smap_enable: clac (smap)"),
    ("Nehalem", "", NOP5, "smap_enable: nop5 (the baseline)"),
    ("max", "disable_smap=1", NOP5, "smap_enable: nop5 (the baseline)"),
]


@pytest.mark.parametrize("cpu, args, code, note", CPUS)
def test_kd_stops_where_startup_smap_shows_what_this_cpu_runs(cpu: str, args: str, code: str,
                                                              note: str) -> None:
    """The first step of the procedure, typed as it is written, and nothing before it."""
    with stopped("-kd", cpu=cpu, args=args) as machine:
        assert "kmdb: boot argument -kd at mdb_start" in machine.read_until(STOPPED)
        assert last_site(ask(machine, "startup_smap::dis")) == (code, note)
        assert "verified, OK" in ask(machine, "::hotinlines -v")
        machine.send(b":c\r")
        machine.boot()
        assert machine.finish().verdict is Verdict.PASS


@pytest.mark.parametrize("cpu, args, code, note", CPUS)
def test_kd_early_stops_before_unix_is_patched_and_one_can_see_it_patched(
        cpu: str, args: str, code: str, note: str) -> None:
    with stopped(cpu=cpu, args=args) as machine:
        assert "kmdb: boot argument -kd=early at mdb_start" in machine.read_until(STOPPED)
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


@pytest.mark.parametrize("args", ["", "-k", "-kd=late"])
def test_nothing_else_stops_the_boot(args: str) -> None:
    with booted(args=args) as machine:
        assert "kmdb" not in machine.boot()


def test_a_stop_works_without_a_disassembler_and_says_why_there_is_none(tmp_path: Path) -> None:
    archive = without_capstone(tmp_path)
    for how in ("-kd=early", "-kd"):
        with stopped(how, archive=archive) as machine:
            assert "no module capstone in the boot archive" in machine.read_until(STOPPED)
            text = ask(machine, "startup_smap::dis")
            assert "the module capstone is not in the boot archive" in text
            assert ("not patched yet" in text) == (how == "-kd=early")
            machine.send(b":u\r")
            assert "stepped at unix_main+" in machine.read_until(STOPPED)
            machine.send(b":c\r")
            machine.boot()


@pytest.mark.parametrize("how", ["-kd=early", "-kd"])
def test_the_disassembler_is_there_at_the_first_stop_and_loads_nothing(how: str) -> None:
    with stopped(how) as machine:
        machine.read_until(STOPPED)
        assert "disassembler: Capstone" in ask(machine, "::status")
        modules = ask(machine, "::modinfo")
        assert "push   rbp" in ask(machine, "startup_smap::dis")
        assert ask(machine, "::modinfo") == modules


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
        assert re.match(r"mdb_start\+0x\w+\(\)\nunix_main\+0x\w+\(\)\n", ask(machine, "$c"))
        assert ask(machine, "::stack") == ask(machine, "$c")
        said = dict(re.findall(r"%(\w+) += (0x[0-9a-f]{16})", ask(machine, "$r")))
        registers = machine.monitor("info registers")
        assert len(said) == 26
        for name in ("cr0", "cr3", "cr4"):
            seen = re.findall(rf"{name.upper()}=([0-9a-f]+)", registers)
            assert int(said[name], 16) == int(seen[0], 16)
        assert "stopped: boot argument -kd=early at mdb_start" in ask(machine, "::status")
        for name, value in said.items():
            assert int(ask(machine, f"<{name}=K"), 16) == int(value, 16)
        assert "mdb: <nosuch: no such register; $r lists them" in ask(machine, "<nosuch=K")
        assert "stopped" in ask(machine, "::status")


def test_the_stack_is_shown_with_frame_pointers_and_from_one() -> None:
    with stopped("-kd") as machine:
        machine.read_until(STOPPED)
        frames = re.findall(r"^([0-9a-f]{16}) (\S+\(\))$", ask(machine, "$C"), re.MULTILINE)
        assert int(frames[0][0], 16) == int(ask(machine, "<rbp=K"), 16)
        for pointer, (following, _) in zip([f[0] for f in frames], frames[1:]):
            assert ask(machine, f"{pointer}/J").split()[-1] == following.lstrip("0") or "0"
        names = [name for _, name in frames]
        assert ask(machine, "$c").split() == names and len(names) >= 3
        assert ask(machine, "<rbp$c").split() == names[1:]
        assert ask(machine, f"{frames[1][0]}::stack").split() == names[2:]


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
        assert stop_in(run_into(machine, "dump unix_main 32")) == "breakpoint at dump"
        assert re.match(r"dump\(\)\n(?:.*\n)*prompt\+0x\w+\(\)\n", ask(machine, "$c"))
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
           f"{site.address:#x}" in text
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
    ("syscall_entry", "the stack is the program's there"),
    ("syscall_entry+f", "the stack is the program's there"),
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
        seen = len(machine._buffer)
        machine.wait_until(lambda: len(machine._buffer) > seen, "one of the prompts")


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
    names = re.findall(r"^[0-9a-f]+ +[1-9]\d* unix`(\S+)$", mdb(machine, "::nm"), re.MULTILINE)
    names = [name for name in names if name != "run_mdb"]  # it would be met on the way to itself
    assert sum(break_at(machine, name) for name in sorted(set(names))) > 20
    assert "no breakpoints" in mdb(machine, "$b")
    assert "MISMATCH" not in machine.command("hotinlines -v")
    assert machine.finish().verdict is Verdict.PASS


def test_there_is_one_breakpoint_at_a_place_and_sixteen_in_all(machine: Machine) -> None:
    set_breakpoint(machine, "dump")
    assert "there is one already" in mdb(machine, "dump:b")
    names = [i.name for i in listing(mdb(machine, "krtld_load_at::dis"))]
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


def test_a_breakpoint_in_a_module_that_is_not_loaded_after_all_goes_with_it(
        machine: Machine) -> None:
    """badinit's _init refuses, after somebody has stopped there; then another module gets its
    addresses."""
    start = mdb(machine, "unix_ops+20/K").split()[-1]  # several functions have that name
    set_breakpoint(machine, start)
    assert "breakpoint at start" in run_into(machine, "modload badinit")
    assert ask(machine, "badinit`_init:b") == "breakpoint at badinit`_init\n"
    ask(machine, f"{start}:d")
    assert "breakpoint at badinit`_init" in ask(machine, ":c")
    machine.send(b":c\r")
    assert "badinit is not loaded" in machine.read_until(PROMPT)
    assert "no breakpoints" in mdb(machine, "$b")
    load(machine, ["ring", "counters"])
    assert "MISMATCH" not in machine.command("hotinlines -v")


def test_a_breakpoint_in_a_module_stops_there(machine: Machine) -> None:
    load(machine, ["counters"])
    set_breakpoint(machine, "counters`_fini")
    assert "breakpoint at counters`_fini" in run_into(machine, "modunload counters")
    assert ask(machine, "$c").startswith("counters`_fini()\n")
    machine.send(b":c\r")
    assert "counters: unloaded" in machine.read_until(PROMPT)


# ---- Steps ----

def test_steps_go_through_the_instructions_in_order(machine: Machine) -> None:
    set_breakpoint(machine, "dump")
    names = [i.name for i in listing(mdb(machine, "dump::dis"))]
    run_into(machine, "dump unix_main 32")
    straight = 6  # a prologue has no branches
    for name in names[1:straight]:
        assert stop_in(ask(machine, "::step")) == f"stepped at {name}"
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


# ---- Steps over and out ----

def at_call(machine: Machine, function: str, called: str) -> list[str]:
    """Steps to a function's call of another; where that is, and the instruction after it."""
    shown = listing(ask(machine, f"{function}::dis"))
    at = next(n for n, i in enumerate(shown)
              if i.text.startswith("call") and f"<{called}>" in i.text)
    ask(machine, f"{shown[at].name}:b")
    assert f"breakpoint at {shown[at].name}" in ask(machine, ":c")
    ask(machine, f"{shown[at].name}:d")
    return [shown[at].name, shown[at + 1].name]


@pytest.mark.parametrize("how", ["::step over", ":e"])
def test_a_step_over_a_call_ends_after_it_and_a_plain_one_in_it(how: str) -> None:
    with stopped("-kd") as machine:
        machine.read_until(STOPPED)
        _, after = at_call(machine, "unix_main", "selftest")
        assert stop_in(ask(machine, how)) == f"stepped at {after}"
        at_call(machine, "unix_main", "cpus_park")
        assert stop_in(ask(machine, "::step")) == "stepped at cpus_park"
        second = listing(ask(machine, "cpus_park::dis -n 2"))[1].name
        assert stop_in(ask(machine, how)) == f"stepped at {second}"  # no call: one instruction
        assert "no breakpoints" in ask(machine, "$b")
        machine.send(b":c\r")
        machine.boot()
        assert "MISMATCH" not in machine.command("hotinlines -v")
        assert machine.finish().verdict is Verdict.PASS


@pytest.mark.parametrize("how", ["::step out", ":u"])
@pytest.mark.parametrize("steps", range(0, 8))
def test_a_step_out_ends_after_the_call_from_every_place_of_a_prologue(how: str,
                                                                      steps: int) -> None:
    with stopped("-kd") as machine:
        machine.read_until(STOPPED)
        _, after = at_call(machine, "unix_main", "selftest")
        for _ in range(1 + steps):
            ask(machine, "::step")
        assert "kmdb: stepped at" in ask(machine, ":e") or steps
        assert stop_in(ask(machine, how)) == f"stepped at {after}"


@pytest.mark.parametrize("function, line", [("on_fault", "hello"), ("name_show", "sym peek")])
def test_a_step_out_from_entry_and_from_ret_ends_at_the_caller(machine: Machine, function: str,
                                                               line: str) -> None:
    """on_fault is assembler code, and has no frame at all."""
    set_breakpoint(machine, function)
    run_into(machine, line)
    caller = ask(machine, "<rsp/p").split()[-1]
    assert ask(machine, "$c").splitlines()[:2] == [f"{function}()", f"{caller}()"]
    end = next(i.name for i in listing(ask(machine, f"{function}::dis")) if i.text == "ret")
    ask(machine, f"{end}:b")
    assert f"breakpoint at {end}" in ask(machine, ":c")
    assert ask(machine, "$c").splitlines()[:2] == [f"{end}()", f"{caller}()"]
    assert stop_in(ask(machine, ":u")) == f"stepped at {caller}"
    ask(machine, f"{end}:d")
    machine.send(b":c\r")
    while either(machine) == STOPPED:
        caller = ask(machine, "<rsp/p").split()[-1]
        assert stop_in(ask(machine, "::step out")) == f"stepped at {caller}"
        machine.send(b":c\r")


def test_a_step_out_where_nobody_called_is_refused_in_words() -> None:
    with stopped("-kd") as machine:
        machine.read_until(STOPPED)
        assert "stepped at unix_main+" in ask(machine, ":u")
        said = ask(machine, ":u")
        assert re.match(r"mdb: step out: it would return to 0x\w+: that is not in the text of unix",
                        said)
        assert "stepped" not in said
        assert ask(machine, "::step sideways") == "usage: ::step [over|out]\n"
        machine.send(b":c\r")
        machine.boot()


def test_a_step_that_returns_to_a_program_lets_the_system_go_on(machine: Machine) -> None:
    """And the breakpoints are there again: the CPU never ends a step over sysret."""
    set_breakpoint(machine, "syscall")
    run_into(machine, "hello")
    end = next(i.name for i in listing(ask(machine, "syscall::dis")) if i.text == "ret")
    ask(machine, f"{end}:b")
    assert f"breakpoint at {end}" in ask(machine, ":c")
    assert "in part of that function" in ask(machine, ":u")
    said = ask(machine, "::step")
    assert "stepped at syscall_entry+" in said
    while "stepped at syscall_entry+" in said:
        said = ask(machine, "::step")
    assert "mdb: that returns to a program, where no step goes: the system goes on" in said
    assert "kmdb: breakpoint at syscall\n" in said  # the next one
    ask(machine, "::delete all")
    machine.send(b":c\r")
    machine.read_until(PROMPT)
    assert machine.finish().verdict is Verdict.PASS


def test_a_step_over_stops_its_own_stack_and_not_another_thread(machine: Machine) -> None:
    """thread_wait() calls switch_to(). The prompt waits for crash, and crash for its children: one
    comes through the same return address while the other waits, and does not stop there."""
    set_breakpoint(machine, "thread_wait")
    run_into(machine, "crash all")
    ask(machine, "thread_wait:d")  # crash may come there first, when the timer has its turn
    _, after = at_call(machine, "thread_wait", "switch_to")
    thread, rsp = ask(machine, "current/p"), ask(machine, "<rsp=K")
    said = ask(machine, "::step over")
    assert stop_in(said) == f"stepped at {after}"
    assert (ask(machine, "current/p"), ask(machine, "<rsp=K")) == (thread, rsp)
    machine.send(b":c\r")
    machine.read_until(PROMPT)
    assert "killed" in machine.console
    assert machine.finish().verdict is Verdict.PASS


def test_a_breakpoint_inside_what_is_stepped_over_stops_there(machine: Machine) -> None:
    set_breakpoint(machine, "dump")
    run_into(machine, "dump unix_main 32")
    ask(machine, "peek:b")
    shown = [i for i in listing(ask(machine, "dump::dis")) if "<peek>" in i.text]
    ask(machine, f"{shown[0].name}:b")
    assert f"breakpoint at {shown[0].name}" in ask(machine, ":c")
    assert "kmdb: breakpoint at peek\n" in ask(machine, ":e")
    ask(machine, "::delete all")
    machine.send(b":c\r")  # and the return address that was waited for is forgotten
    machine.read_until(PROMPT)
    assert machine.finish().verdict is Verdict.PASS


def test_a_step_over_a_site_that_is_a_repeated_string_does_all_of_it(machine: Machine) -> None:
    site = next(s for s in guest.hotinlines(machine, "unix").sites
                if s.name.startswith("unix:peek+") and s.alternative == "rep movsb")
    set_breakpoint(machine, f"{site.address:x}")
    run_into(machine, "dump 400000 16")
    assert int(ask(machine, "<rcx=K"), 16) > 1
    assert f"stepped at {site.name[5:]}" in ask(machine, "::step")  # one round, and still there
    ask(machine, ":e")
    assert int(ask(machine, "<rcx=K"), 16) == 0
    assert int(ask(machine, "<rip=K"), 16) == site.address + 2
    assert "MISMATCH" not in ask(machine, "::hotinlines -v")
    machine.send(b":c\r")
    machine.read_until(PROMPT)
    run_into(machine, "dump 400000 16")
    machine.send(b":c\r")  # off the breakpoint: not once more for each round
    machine.read_until(PROMPT)


def test_a_step_over_a_site_that_is_a_call_ends_after_the_site() -> None:
    with booted(cpu="Nehalem") as machine:
        machine.boot()
        shown = listing(mdb(machine, "peek::dis"))
        at = next(n for n, i in enumerate(shown) if i.note.startswith("copy_bytes: call"))
        set_breakpoint(machine, shown[at].name)
        while f"at {shown[at].name}\n" not in run_into(machine, "dump 400000 16"):
            machine.send(b":c\r")
        assert stop_in(ask(machine, "::step")) == "stepped at copy_bytes_base"
        machine.send(b":c\r")
        while either(machine) == STOPPED:
            assert stop_in(ask(machine, "::step over")) == f"stepped at {shown[at + 1].name}"
            machine.send(b":c\r")
        assert "MISMATCH" not in machine.command("hotinlines -v")


def step_to(machine: Machine, name: str) -> None:
    """Steps until an instruction of that name is next."""
    for _ in range(1000):
        if f" at {name}" in stop_in(ask(machine, "::step")):
            return
    raise AssertionError(f"never at {name}")


@pytest.mark.parametrize("how", [":c", "::step over\n:c", "::step out\n:c"])
def test_a_stop_while_sites_are_verified_puts_no_breakpoint_into_them(machine: Machine,
                                                                      how: str) -> None:
    """The prompt's `hotinlines -v` has lifted them; that the system goes on must not set them."""
    site = next(s for s in guest.hotinlines(machine, "unix").sites
                if s.name.startswith("unix:peek+") and s.hotinline == "smap_disable")
    set_breakpoint(machine, f"{site.address:x}")
    set_breakpoint(machine, "krtld_find")
    run_into(machine, "hotinlines -v unix")
    ask(machine, "krtld_find:d")
    step_to(machine, "sites_list")
    *steps, last = how.split("\n")
    for step in steps:
        assert stop_in(ask(machine, step)).startswith("stepped at ")
    machine.send(last.encode() + b"\r")
    assert "MISMATCH" not in machine.read_until(PROMPT)
    assert machine.memory(site.address, 1) == b"\xcc"
    assert f"breakpoint at {site.name[5:]}" in run_into(machine, "dump 0x400000 16")
    machine.send(b":c\r")
    machine.read_until(PROMPT)


def test_steps_through_the_setting_of_breakpoints_leave_each_byte_what_it_is(
        machine: Machine) -> None:
    """The prompt's `hotinlines` lifts them, lists the sites, and arms them again."""
    address = guest.symbols(machine, ["dump"])["dump"].address
    before = machine.memory(address, 16)
    set_breakpoint(machine, "dump")
    set_breakpoint(machine, "krtld_find")
    run_into(machine, "hotinlines unix")
    ask(machine, "krtld_find:d")
    step_to(machine, "sites_list")
    assert "stepped at run_hotinlines+" in ask(machine, ":u")
    step_to(machine, "mdb_break_arm")
    for _ in range(1000):
        where = stop_in(ask(machine, "::step"))
        assert machine.memory(address, 16) == before, where
        if "run_hotinlines" in where:
            break
    machine.send(b":c\r")
    machine.read_until(PROMPT)
    assert machine.memory(address, 16) == b"\xcc" + before[1:]
    mdb(machine, "::delete all")
    assert machine.memory(address, 16) == before
    assert "MISMATCH" not in machine.command("hotinlines -v")


def test_a_step_at_hlt_and_off_a_breakpoint_there_goes_past_it() -> None:
    """With interrupts off, as a step has them, the CPU would rest for ever."""
    with booted(args="nmi=count") as machine:
        machine.boot()
        load(machine, ["storm"])
        halt = next(i.name for i in listing(mdb(machine, "idle_run::dis")) if i.text == "hlt")
        set_breakpoint(machine, halt)
        assert f"breakpoint at {halt}" in run_into(machine, "storm 20 1")  # its child sleeps
        assert ask(machine, "::step").startswith("kmdb: stepped at idle_run+")
        machine.send(b":c\r")
        while either(machine) == STOPPED:
            machine.send(b":c\r")
        assert machine.finish().verdict is Verdict.PASS


# ---- While unix is patched ----

@pytest.mark.parametrize("how", ["::step", ":e", ":u"])
def test_steps_into_the_patching_of_unix_end_after_it(how: str) -> None:
    """What the debugger runs on its way in is half written meanwhile."""
    with stopped() as machine:
        machine.read_until(STOPPED)
        at_call(machine, "startup_smap", "mdb_patch_begin")
        said = ask(machine, how)
        while how == "::step" and "unix is being patched" not in said:
            said = ask(machine, how)
        assert how != "::step" or "the step goes to the end of that" in said
        if how == ":u":
            assert "stepped at unix_main+" in said
        else:
            assert "kmdb: unix is patched at mdb_enter" in said
            assert "startup_smap+" in ask(machine, "$c")
        assert "verified, OK" in ask(machine, "::hotinlines -v")
        assert last_site(ask(machine, "startup_smap::dis"))[1] == "smap_enable: clac (smap)"
        machine.send(b":c\r")
        machine.boot()
        assert machine.finish().verdict is Verdict.PASS


def test_a_breakpoint_in_the_engine_stops_for_modules_and_not_for_unix() -> None:
    with stopped() as machine:
        machine.read_until(STOPPED)
        ask(machine, "do_hotinlines:b")
        machine.send(b":c\r")
        assert "kmdb: no breakpoint stops while unix is patched" in machine.boot()
        assert "breakpoint at do_hotinlines" in run_into(machine, "modload ring")
        assert ask(machine, "$c").splitlines()[1].startswith("attempt+0x")
        assert "stepped at attempt+0x" in ask(machine, ":u")
        assert "MISMATCH" not in ask(machine, "::hotinlines -v")
        machine.send(b":c\r")
        assert "ring: loaded" in machine.read_until(PROMPT)
        assert "MISMATCH" not in machine.command("hotinlines -v")
        assert machine.finish().verdict is Verdict.PASS


# ---- Non-maskable interrupts ----

def test_an_nmi_while_the_system_is_stopped_is_a_panic_when_it_goes_on(machine: Machine) -> None:
    """It is not the debugger's own fault, and the debugger stays usable."""
    set_breakpoint(machine, "dump")
    run_into(machine, "dump unix_main 16")
    machine.monitor("nmi")
    assert "Non-maskable" in ask(machine, "::ttrace 1") or "nmi" in ask(machine, "::ttrace 1")
    assert "push   rbp" in ask(machine, "peek::dis")
    result = machine.finish(":c")
    assert result.verdict is Verdict.PANIC
    assert "1 non-maskable interrupts while the debugger had stopped the system" in result.console


def test_an_nmi_while_the_system_is_stopped_is_counted_where_they_are_harmless() -> None:
    with booted(args="nmi=count") as machine:
        machine.boot()
        set_breakpoint(machine, "dump")
        run_into(machine, "dump unix_main 16")
        machine.monitor("nmi")
        ask(machine, "::status")
        machine.send(b":c\r")
        machine.read_until(PROMPT)
        assert machine.finish().verdict is Verdict.PASS


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
    with booted(args="-k") as machine:
        machine.boot()
        text = run_into(machine, f"modload {crash}")
        assert "panic[cpu0]/thread=" in text and "kmdb: " in text
        assert where.replace(":", "`") in ask(machine, "$c")
        assert "%rip" in ask(machine, "$r")
        assert len(listing(ask(machine, "<rip::dis -n 3"))) <= 3
        assert "push   rbp" in ask(machine, "unix_main::dis")
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
