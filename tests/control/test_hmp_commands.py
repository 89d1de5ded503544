"""Monitor commands for memory, paging, input, settings and profiles, on machines made in process."""
import struct

import pytest

from qemu_py._core.cpu_face import EXIT_HLT
from qemu_py.control.hmp import HMP
from qemu_py.machine.drives import simple_drive
from qemu_py.util import log
from tests.control.test_hmp import CODE, SPIN, monitor  # noqa: F401: a fixture

DIRECTORY, TABLE = 0x200000, 0x201000
P, W, U, PS, A, D, G = 1, 2, 4, 0x80, 0x20, 0x40, 0x100


@pytest.fixture
def hmp(monitor):  # noqa: F811
    return monitor()


def paging(hmp, entries, cr4=0):
    """{address: dword or (qword,)} into memory; CR3 at DIRECTORY."""
    for address, value in entries.items():
        data = struct.pack("<Q", value[0]) if isinstance(value, tuple) else struct.pack("<I", value)
        hmp.machine.memory.address_space_memory.write(address, data)
    cpu = hmp.cpu
    cpu.set("cr3", DIRECTORY)
    cpu.set("cr4", cr4)
    cpu.set("cr0", cpu.get("cr0") | 1 << 31 | 1)


def test_without_paging_there_is_nothing_to_walk(hmp):
    assert "paging is off" in hmp.command("info tlb") and "paging is off" in hmp.command("info mem")


def test_pages_of_two_levels(hmp):
    paging(hmp, {DIRECTORY: TABLE | P | W | U, DIRECTORY + 4 * 0x300: 0x00400000 | P | W | PS | G, TABLE: 0x5000 | P | W | A | D,
                 TABLE + 4: 0x6000 | P | U, TABLE + 8: 0x7000 | P | U, TABLE + 0x10: 0x8000}, cr4=0x10)
    assert hmp.command("info tlb").splitlines() == [
        "00000000: 00005000 ---DA---W 4K", "00001000: 00006000 -------U- 4K", "00002000: 00007000 -------U- 4K",
        "c0000000: 00400000 -GP-----W 4096K"]
    assert hmp.command("info mem").splitlines() == [
        "00000000-00001000 00001000 -rw", "00001000-00003000 00002000 ur-", "c0000000-c0400000 00400000 -rw"]
    for line in hmp.command("info tlb").splitlines():
        linear, physical = (int(word.rstrip(":"), 16) for word in line.split()[:2])
        assert hmp.cpu.translate(linear) == physical


def test_a_table_restricts_its_pages(hmp):
    paging(hmp, {DIRECTORY: TABLE | P | W, TABLE: 0x5000 | P | W | U})
    assert hmp.command("info mem") == "00000000-00001000 00001000 -rw\n"
    assert "U" not in hmp.command("info tlb")


def test_pages_of_three_levels(monitor):  # noqa: F811
    hmp = monitor(cpu_model="pentium3")
    tables = 0x203000
    paging(hmp, {DIRECTORY: (TABLE | P,), TABLE: (tables | P | W | U,), TABLE + 8: (0x800000 | P | W | PS,),
                 tables: (0x5000 | P | U,)}, cr4=0x20)
    assert hmp.command("info tlb").splitlines() == ["00000000: 00005000 -------U- 4K", "00200000: 00800000 --P-----W 2048K"]
    assert hmp.cpu.translate(0x212345) == 0x812345


def test_memory_is_saved(hmp, tmp_path):
    hmp.machine.memory.address_space_memory.write(0x5FFE, b"abcdef")
    assert hmp.command(f"pmemsave 0x5ffe 6 {tmp_path}/a") == "" and (tmp_path / "a").read_bytes() == b"abcdef"
    paging(hmp, {DIRECTORY: TABLE | P, TABLE: 0x6000 | P, TABLE + 4: 0x5000 | P})
    assert hmp.command(f'memsave 0x0 4 "{tmp_path}/b c"') == "" and (tmp_path / "b c").read_bytes() == b"cdef"
    assert hmp.command(f"memsave 0xffe 0x1002 {tmp_path}/d") == "" and (tmp_path / "d").read_bytes()[-2:] == b"ab"
    assert "no page is mapped at 0x2000" in hmp.command(f"memsave 0x1000 0x2000 {tmp_path}/e")
    assert hmp.command("pmemsave 0 1 /no/such/directory/x") == "pmemsave: cannot write '/no/such/directory/x': No such file or directory\n"


def test_sum_is_bsds(hmp):
    """cksum(1), algorithm 1; of "abc" computed by hand: 61h; 30h + 8000h + 62h; (8092h >> 1) + 63h."""
    hmp.machine.memory.address_space_memory.write(0x5000, b"abc")
    assert hmp.command("sum 0x5000 3") == f"{(0x8092 >> 1) + 0x63:05d}\n"
    assert "no more than" in hmp.command("sum 0 0x10000000")


def test_the_mouse_is_moved(hmp):
    moves = []
    hmp.machine.inputs.mouse_handlers.append(lambda *move: moves.append(move))
    for line in ("mouse_move 5 -3", "mouse_button 2", "mouse_move -1 0 1", "mouse_button 4", "mouse_button 0"):
        assert hmp.command(line) == ""
    assert moves == [(5, -3, 0, 0), (0, 0, 0, 4), (-1, 0, 1, 4), (0, 0, 0, 2), (0, 0, 0, 0)]
    assert hmp.command("info mice") == "* Mouse #0: PS/2 mouse, does not report\n"


def test_the_boot_order_is_set_for_the_next_reset(hmp):
    machine = hmp.machine
    assert hmp.command("boot_set dc") == ""
    assert machine.rtc.s.ram[0x3D] == 0x23
    machine.system_reset()
    assert machine.rtc.s.ram[0x3D] == 0x23
    assert "no boot device" in hmp.command("boot_set x") and hmp.command("boot_set x").count("\n") == 1


def test_the_log_goes_elsewhere(hmp, tmp_path):
    try:
        assert hmp.command(f"logfile {tmp_path}/log") == ""
        hmp.command("log guest_errors")
        log.log(log.LOG_GUEST_ERROR, "hello")
        assert (tmp_path / "log").read_text() == "hello\n"
        assert hmp.command("logfile /no/such/dir/x").count("\n") == 1
    finally:
        log.cpu_set_log(0)
        log.cpu_set_log_filename(None)


def test_chips_and_roms_are_told(hmp, monitor):  # noqa: F811
    assert "lvt LINT0" in hmp.command("info lapic") and "irr: none" in hmp.command("info lapic")
    assert hmp.command("info ioapic").count("masked") == 24
    assert 'mem=rom name="pc.bios"' in hmp.command("info roms") and 'name="etc/e820"' in hmp.command("info roms")
    hmp = monitor(cpu_model="486")
    assert hmp.command("info lapic") == "info lapic: this CPU has no local APIC\n" or "no local APIC" in hmp.command("info lapic")


@pytest.mark.parametrize("how", [{}, {"single_loop": True}], ids=["iothread", "single-thread loop"])
@pytest.mark.parametrize("kind, words", [("on", ["Guest profile:", "samples"]), ("exact", ["exactly counted", "ring 0", "0x00100030"])])
def test_a_profile_of_a_while(make_machine, how, kind, words):
    """jmp $ with interrupts off runs for a while of the machine's own."""
    machine = make_machine(SPIN, **how)
    with machine.main_loop.lock:
        hmp = HMP(machine)
        assert "no profile is being taken" in hmp.command("info profile")
        assert "no profile is being taken" in hmp.command("profile off")
        machine.power_on()
        assert hmp.command(f"profile {kind}") == ""
        text = ""
        while not all(word in text for word in [*words, "By ring and mode"]):
            for _ in range(3):          # in one thread, a command costs the CPU its next turn
                machine.tcg.main_loop_turn()
            text = hmp.command("info profile")
        assert "What the emulator did" in text
        assert hmp.command("profile off") == ""
        assert "no profile" in hmp.command("info profile")
    assert "how= is on, exact or off" in hmp.command("profile foo")


# ---------------------------------------------------------------- drives
def test_commit_writes_what_snapshot_has_kept(monitor, tmp_path):  # noqa: F811
    disk, other = tmp_path / "disk.img", tmp_path / "other.img"
    for path in (disk, other):
        path.write_bytes(bytes(1 << 20))
    hmp = monitor(snapshot=True, drives=[simple_drive("-hda", str(disk), "ide", 0), simple_drive("-hdb", str(other), "ide", 1)])
    for unit in (0, 1):
        hmp.machine.drives.get("ide", 0, unit).pwrite(512, b"kept")
    assert hmp.command("commit ide0-hd0") == "" and disk.read_bytes()[512:516] == b"kept" and not any(other.read_bytes())
    assert hmp.command("commit all") == "" and other.read_bytes()[512:516] == b"kept"
    assert "ide0-hd0" in hmp.command("commit ide0-hd9")


def test_without_snapshot_there_is_nothing_to_commit(monitor, tmp_path):  # noqa: F811
    disk = tmp_path / "disk.img"
    disk.write_bytes(bytes(1 << 20))
    hmp = monitor(drives=[simple_drive("-hda", str(disk), "ide", 0)])
    assert "no temporary file" in hmp.command("commit ide0-hd0")
    assert hmp.command("commit all") == "commit: no drive writes to a temporary file (-snapshot)\n"


def test_info_blockstats_counts(monitor, tmp_path):  # noqa: F811
    disk = tmp_path / "disk.img"
    disk.write_bytes(bytes(1 << 20))
    hmp = monitor(drives=[simple_drive("-hda", str(disk), "ide", 0)])
    drive = hmp.machine.drives.get("ide", 0, 0)
    drive.pread(0, 1024)
    drive.flush()
    line = next(line for line in hmp.command("info blockstats").splitlines() if line.startswith("ide0-hd0: "))
    values = dict(word.split("=") for word in line.split()[1:])
    assert list(values) == ["rd_bytes", "wr_bytes", "rd_operations", "wr_operations", "flush_operations", "wr_total_time_ns",
                            "rd_total_time_ns", "flush_total_time_ns"]
    assert [int(values[name]) for name in list(values)[:5]] == [1024, 0, 1, 0, 1] and values["wr_total_time_ns"] == "0"


# ---------------------------------------------------------------- one instruction in each block
INC_9_HLT = b"\x40" * 9 + b"\xf4"


def test_singlestep_makes_blocks_of_one_instruction(monitor):  # noqa: F811
    hmp = monitor(INC_9_HLT)
    cpu = hmp.cpu

    def run():
        """(blocks, instructions in them) that are made."""
        hmp.machine.system_reset()
        cpu.set("eip", CODE)
        cpu.set("eax", 0)
        before = cpu.counters()
        while cpu.exec() != EXIT_HLT:   # the monitor's stop is heard first
            pass
        assert cpu.get("eax") == 9
        return tuple(cpu.counters()[name] - before[name] for name in ("tb_gen_count", "tb_gen_insns"))
    assert run() == (1, 10)
    assert hmp.command("singlestep") == "" and "(single step mode)" in hmp.command("info status")
    assert run() == (10, 10)
    assert hmp.command("singlestep off") == "" and "single" not in hmp.command("info status")
    assert run() == (1, 10)
    assert "on or off" in hmp.command("singlestep up")
