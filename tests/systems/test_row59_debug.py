"""SYSTEMS row 59: EXCP_DEBUG, breakpoints, watchpoints, single step. (DR0-DR7: tests/core.)"""
import pytest

from qemu_py._core.cpu_face import EXIT_DEBUG
from tests.guest import cpu_with

CODE = "inc eax; inc eax; inc eax; mov dword ptr [0x3000], eax; mov ebx, dword ptr [0x3000]; inc ecx; hlt"


def test_a_breakpoint_stops_exactly_before_its_instruction():
    cpu = cpu_with((0x1000, CODE))
    cpu.breakpoint_insert(0x1002)
    assert cpu.run().reason == "until" and (cpu.eip, cpu.eax) == (0x1002, 2)
    assert cpu.run().reason == "hlt" and cpu.eax == 3      # goes on from it


def test_a_removed_breakpoint_stops_no_more():
    cpu = cpu_with((0x1000, CODE))
    cpu.breakpoint_insert(0x1002)
    cpu.breakpoint_remove(0x1002)
    assert cpu.run().reason == "hlt"
    with pytest.raises(KeyError):
        cpu.breakpoint_remove(0x1002)


def test_a_breakpoint_set_in_translated_code_is_hit():
    cpu = cpu_with((0x1000, CODE))
    cpu.run()
    cpu.breakpoint_insert(0x1001)
    cpu.eip = 0x1000
    assert cpu.run().reason == "until" and cpu.eip == 0x1001


def test_a_write_watchpoint_stops_behind_the_store():
    cpu = cpu_with((0x1000, CODE))
    cpu.watchpoint_insert(0x3000, 4)
    assert cpu.run().reason == "until"
    assert cpu.eip == 0x1008 and cpu.read(0x3000, 1) == b"\x03"
    assert cpu.watchpoint_hit() == 0x3000
    assert cpu.run().reason == "hlt" and cpu.ebx == 3


def test_a_read_watchpoint_stops_behind_the_load():
    cpu = cpu_with((0x1000, CODE))
    cpu.watchpoint_insert(0x3000, 4, read=True, write=False)
    assert cpu.run().reason == "until"
    assert cpu.eip == 0x100E and cpu.ebx == 3


def test_accesses_beside_a_watchpoint_do_not_stop():
    cpu = cpu_with((0x1000, CODE))
    cpu.watchpoint_insert(0x3004, 4, read=True)
    assert cpu.run().reason == "hlt"


def test_single_step_runs_one_instruction():
    cpu = cpu_with((0x1000, CODE))
    for n in range(1, 4):
        assert cpu.single_step() == EXIT_DEBUG
        assert (cpu.eip, cpu.eax) == (0x1000 + n, n)
