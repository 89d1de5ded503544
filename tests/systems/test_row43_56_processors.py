"""SYSTEMS rows 43 and 56: several processors take turns, and none starves; only the first begins."""
import struct

import pytest

from qemu_py.machine.config import MachineConfig
from qemu_py.machine.machine import Machine
from qemu_py.options import parse_arguments
from qemu_py.util.errors import UserError
from tests.boot.kernels import debug_exit
from tests.boot.screens import need_seabios
from tests.machines import EXIT, Capture

SPURIOUS, ICR = 0xFEE000F0, 0xFEE00300
INIT_OTHERS, START_OTHERS_AT_8000H = 0xC4500, 0xC4608
COUNTER = 0x7000
CODE_16 = b"\xF0\xFF\x06\x00\x70"       # lock inc word [7000h]
SPIN = b"\xEB\xFE"
HLT = b"\xF4" + SPIN


def store(address, value):
    """mov dword [address], value"""
    return b"\xC7\x05" + struct.pack("<II", address, value)


def start_others(then):
    """Start the other processors at 8000h, with code that counts them and does `then`."""
    code = (CODE_16 + then).ljust(12, b"\x90")
    words = struct.unpack("<3I", code)
    return (store(SPURIOUS, 0x1FF) + store(COUNTER, 0) + b"".join(store(0x8000 + 4 * n, word) for n, word in enumerate(words))
            + store(ICR, INIT_OTHERS) + store(ICR, START_OTHERS_AT_8000H))


def wait_for(count):
    """cmp word [7000h], count; jne to that"""
    return b"\x66\x83\x3D" + struct.pack("<IB", COUNTER, count) + b"\x75\xF6"


@pytest.mark.parametrize("then", [SPIN, HLT], ids=["they spin", "they halt"])
@pytest.mark.parametrize("count", [2, 8])
def test_no_processor_starves(make_machine, count, then):
    """The first waits for all the others, and all of them but the last find another one spinning."""
    machine = make_machine(start_others(then) + wait_for(count - 1) + debug_exit(3), machine="pc", cpus=count, devices=EXIT)
    assert machine.run() == 7


def test_a_start_up_ipi_right_behind_init_is_taken_in_the_same_turn(make_machine):
    """SeaBIOS, when it resumes, does not wait for the others, but takes back soon what they begin with."""
    wait = b"\xB9" + struct.pack("<I", 2000) + b"\xF3\x90\xE2\xFC"          # mov ecx, 2000; again: pause; loop again
    machine = make_machine(start_others(SPIN) + wait + store(0x8000, 0xF4F4F4F4) + wait_for(1) + debug_exit(3), machine="pc", cpus=2, devices=EXIT)
    machine.clocks.rt.timer(lambda: machine.request_exit(9)).mod_ns(machine.clocks.rt.get_ns() + 30 * 10 ** 9)
    assert machine.run() == 7


def test_a_kick_of_a_halted_processor_does_not_cost_its_next_turn(make_machine):
    from qemu_py._core import cpu_face
    machine = make_machine(machine="pc", cpus=2)
    machine.system_reset()
    cpu = machine.cpus[1]
    machine.memory.address_space_memory.write(0x10000, b"\xF4")
    cpu.kick()
    assert cpu.exec() == cpu_face.EXIT_HLT
    cpu.interrupt(cpu_face.INTERRUPT_INIT)
    cpu.sipi(0x10)
    assert (cpu.exec(), cpu.cs, cpu.eip) == (cpu_face.EXIT_HLT, 0x1000, 1)


def test_application_processors_start_halted(make_machine):
    machine = make_machine(machine="pc", cpus=3)
    machine.system_reset()
    assert [cpu.halted for cpu in machine.cpus] == [False, True, True]
    assert [cpu.rdmsr(0x1B) for cpu in machine.cpus] == [0xFEE00900, 0xFEE00800, 0xFEE00800]


def test_a_reset_puts_application_processors_to_sleep_again(make_machine):
    machine = make_machine(start_others(SPIN) + wait_for(1) + debug_exit(3), machine="pc", cpus=2, devices=EXIT)
    assert machine.run() == 7
    assert not machine.cpus[1].halted
    machine.system_reset()
    assert machine.cpus[1].halted and not machine.cpus[1].has_work


def test_an_application_processor_that_nobody_starts_does_nothing(make_machine):
    machine = make_machine(store(0x7000, 1) + wait_for(1) + debug_exit(3), machine="pc", cpus=4, devices=EXIT)
    assert machine.run() == 7
    assert all(cpu.halted and cpu.eip == 0xFFF0 for cpu in machine.cpus[1:])


def test_the_option():
    assert parse_arguments(["-smp", "2"]).settings["cpus"] == parse_arguments(["-smp", "cpus=2"]).settings["cpus"] == 2
    for text in ("0", "", "two", "sockets=2", "-1"):
        with pytest.raises(UserError, match="-smp"):
            parse_arguments(["-smp", text])


@pytest.mark.parametrize("config, wrong", [
    (dict(machine="pc", cpus=9), "at most 8 processors"), (dict(machine="isapc", cpus=2), "at most 1 processor$"),
    (dict(machine="pc", cpus=2, cpu_model="486"), "no APIC")])
def test_what_cannot_be_is_refused(tmp_path, config, wrong):
    (tmp_path / "bios").write_bytes(bytes(65536))
    with pytest.raises(UserError, match=wrong):
        Machine(MachineConfig(ram_size=16 << 20, bios=str(tmp_path / "bios"), **config))


def test_seabios_counts_the_processors(make_machine):
    """Its lock is free only between a PAUSE and the next instruction: a turn must be able to end there."""
    need_seabios("bios-256k.bin")
    log = Capture()
    machine = make_machine(bios="seabios", machine="pc", cpus=4, ram_size=64 << 20, debugcons=[log],
                           globals={("isa-debugcon", "iobase"): "0x402"})
    clock = machine.clocks.rt

    def look():
        if b"Found 4 cpu(s) max supported 4 cpu(s)" in log.data:
            machine.request_exit(7)
        else:
            timer.mod_ns(clock.get_ns() + 50_000_000)
    timer = clock.timer(look)
    look()
    assert machine.run() == 7, log.data.decode("latin1")
