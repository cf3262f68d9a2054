"""Rules that only a boot can show; those of PEERS.md, section 2, by their numbers."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from machines import MODULES, ROOT, TEST_MODULES, booted, load, make_config

import check
import guest
from machine import Machine, Verdict
from objects import read_object
from table import read_table

CLAC, STAC = b"\x0f\x01\xca", b"\x0f\x01\xcb"


def archive_with(unix: Path, archive: Path) -> Path:
    """A boot archive whose unix is another one."""
    stage = archive.with_suffix(".d")
    (stage / "modules").mkdir(parents=True)
    subprocess.run(["objcopy", "--strip-debug", unix, stage / "unix"], check=True)
    for module in sorted((ROOT / "build/modules").glob("*.ko")):
        subprocess.run(["cp", module, stage / "modules"], check=True)
    names = "\n".join(["unix", *(f"modules/{m.name}" for m in (stage / "modules").iterdir())])
    archive.write_bytes(subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=stage,
                                       input=names.encode(), capture_output=True,
                                       check=True).stdout)
    return archive


def page_tables(machine: Machine) -> list[tuple[int, int, str]]:
    """Every mapped page: address, physical address, flags ("X": no execute, "U", "W")."""
    rows = (re.fullmatch(r"([0-9a-f]+): ([0-9a-f]+) (\S+)", line)
            for line in machine.monitor("info tlb").splitlines())
    return [(int(row[1], 16), int(row[2], 16), row[3]) for row in rows if row]


def test_peers_5_the_sites_of_every_object_are_patched_and_not_only_those_of_unix() -> None:
    table = read_table()
    with booted() as machine:
        machine.boot()
        load(machine, MODULES + TEST_MODULES)
        sites = guest.hotinlines(machine).sites
    for module in ["unix", *MODULES, *TEST_MODULES]:
        own = [site for site in sites if site.module == module]
        assert len(own) == len(read_object(check.object_path(module), module, table.sizes).sites)
        changed = [site for site in own if site.now != site.before]
        assert changed, f"{module} has no site that differs from what it was"


@pytest.mark.parametrize("args", ["", "disable_smap=1"])
def test_peers_6_modules_and_unix_agree_whenever_they_were_loaded(args: str) -> None:
    with booted(args=args) as machine:
        machine.boot()
        load(machine, MODULES)
        for name in ("window", "usercopy"):
            machine.command(f"modunload {name}")
        load(machine, ["usercopy", "window"])
        report = check.check(machine, read_table())
    assert report.problems == []
    chosen: dict[str, set[str]] = {site.hotinline: set() for site in report.sites}
    for site in report.sites:
        chosen[site.hotinline].add(site.alternative)
    assert all(len(alternatives) == 1 for alternatives in chosen.values())
    assert chosen["smap_enable"] == ({"nop5"} if args else {"clac"})
    assert report.smap == (not args)


def test_peers_6_with_the_feature_disabled_no_site_holds_clac_or_stac() -> None:
    with booted(args="disable_smap=1") as machine:
        machine.boot()
        load(machine, MODULES)
        for site in guest.hotinlines(machine).sites:
            assert CLAC not in site.now and STAC not in site.now, site.name


@pytest.mark.parametrize("cpu", ["max", "Nehalem"])
def test_peers_16_a_site_of_unix_may_cross_a_page(cpu: str, tmp_path: Path) -> None:
    """unix is patched through a second mapping: of both pages, or the wrong memory is written."""
    unix = tmp_path / "unix.o"
    subprocess.run(["ld", "-r", "-o", unix, ROOT / "build/kernel/unix.o",
                    ROOT / "build/tests/modules/crosspage.ko"], check=True)
    config = make_config(cpu=cpu, archive=archive_with(unix, tmp_path / "boot.cpio"))
    with Machine(config) as machine:
        machine.boot()
        report = check.check(machine, read_table(), unix)
        result = machine.finish()
    assert report.problems == [] and result.verdict is Verdict.PASS
    crossing = [site for site in report.sites if ":crosspage_" in site.name]
    assert len(crossing) == 4
    for site in crossing:
        assert site.address >> 12 != (site.address + len(site.now) - 1) >> 12


def test_peers_16_a_site_of_a_module_may_cross_a_page() -> None:
    with booted() as machine:
        machine.boot()
        load(machine, ["crosspage"])
        report = check.check(machine, read_table())
    assert report.problems == []
    assert sum(":crosspage_" in site.name for site in report.sites) == 4


@pytest.mark.parametrize("cpu", ["max", "Nehalem"])
def test_peers_22_text_is_relocated_and_patched_as_the_host_tool_does_it(cpu: str,
                                                                       tmp_path: Path) -> None:
    """All text in memory, sites and what is between them, against krtld on the host. It takes the
    objects of the archive: stripped ones, whose sections have other indices."""
    names = ["unix", *MODULES]
    stage = ROOT / "build/tests/boot.cpio.d"
    paths = [stage / "unix", *(stage / f"modules/{name}.ko" for name in MODULES)]
    with booted(cpu=cpu) as machine:
        machine.boot()
        load(machine, MODULES)
        features = [name for name, (value, _, _) in guest.features(machine).items() if value]
        layouts = {name: machine.command(f"modinfo {name}") for name in names}
        (tmp_path / "layout").write_text("".join(
            f"object {path}\n{layouts[name]}" for name, path in zip(names, paths)))
        subprocess.run([ROOT / "build/bin/krtld", "--cpu", ",".join(features), "--layout",
                        tmp_path / "layout", "--dump", tmp_path, *paths], check=True)
        for number, name in enumerate(names):
            folder = tmp_path / str(number + 1) if number else tmp_path
            for line in layouts[name].splitlines():
                _, index, address, _, section = line.split()
                if section.startswith((".text", ".rodata")):
                    should = (folder / f"sec{index}.bin").read_bytes()
                    assert machine.memory(int(address, 16), len(should)) == should, line


def test_unix_is_at_another_address_on_each_boot_but_for_nokaslr() -> None:
    bases: dict[str, set[int]] = {"": set(), "nokaslr": set()}
    for args, found in bases.items():
        for _ in range(3):
            with booted(args=args) as machine:
                banner = re.search(r"unix at ([0-9a-f]+)", machine.boot())
                assert banner
                found.add(int(banner[1], 16))
    assert len(bases["nokaslr"]) == 1
    assert len(bases[""]) == 3
    assert all(base >= 0xFFFFFFFF80000000 and base % 4096 == 0 for base in bases[""])


@pytest.mark.parametrize("cpu", ["max", "Nehalem"])
def test_no_page_is_writable_and_executable_under_any_address(cpu: str) -> None:
    with booted(cpu=cpu, machine="q35") as machine:
        machine.boot()
        load(machine, MODULES)
        pages = page_tables(machine)
        text = {physical for _, physical, flags in pages if "X" not in flags}
        writable = {physical for _, physical, flags in pages if "W" in flags}
        assert text and len(pages) > 10000
        assert not text & writable
        for module in ["unix", *MODULES]:
            row = next(line.split() for line in machine.command("modinfo").splitlines()
                       if line.startswith(f"{module} "))
            start = int(row[1], 16)
            flags = {flags for address, _, flags in pages
                     if start <= address < start + int(row[2])}
            assert flags and all("X" not in each and "W" not in each for each in flags), module


def test_nothing_but_the_probe_page_is_left_of_the_low_addresses() -> None:
    with booted() as machine:
        machine.boot()
        pages = page_tables(machine)
    assert [address for address, _, _ in pages if address < 1 << 47] == [0x400000]
    assert [address for address, _, flags in pages if "U" in flags] == [0x400000]


def test_a_corrupted_site_is_found_by_the_guest_and_by_the_checker() -> None:
    with booted() as machine:
        machine.boot()
        good = check.check(machine, read_table())
        assert good.problems == []
        load(machine, ["corrupt"])
        said = machine.command("hotinlines -v")
        report = check.check(machine, read_table())
        result = machine.finish()
    first = good.sites[0]
    assert f"MISMATCH: {first.name}: {first.hotinline}: " in said
    assert f"expected {first.now.hex(' ')}" in said
    assert any(first.name in problem for problem in report.problems)
    assert result.verdict is Verdict.FAIL
