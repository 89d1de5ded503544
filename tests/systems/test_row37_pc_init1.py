"""SYSTEMS row 37: pc_init1. What lies where in a `pc`, beside what QEMU's monitor says of the same machine."""
import re
import shutil
import subprocess

import pytest

# From `info mtree` of qemu-system-i386 -M pc -nodefaults -m 256
MEMORY = """
0000000000000000-000000000fffffff alias ram-below-4g @pc.ram 0000000000000000-000000000fffffff
0000000000000000-ffffffffffffffff pci
00000000000e0000-00000000000fffff alias isa-bios @pc.bios 0000000000020000-000000000003ffff
00000000fffc0000-00000000ffffffff pc.bios
00000000000a0000-00000000000bffff alias smram-region @pci 00000000000a0000-00000000000bffff
00000000000c0000-00000000000c3fff alias pam-pci @pci 00000000000c0000-00000000000c3fff
00000000000ec000-00000000000effff alias pam-pci @pci 00000000000ec000-00000000000effff
00000000000f0000-00000000000fffff alias pam-pci @pci 00000000000f0000-00000000000fffff
"""
PORTS = """
0000000000000020-0000000000000021 pic
0000000000000040-0000000000000043 pit
0000000000000061-0000000000000061 pcspk
0000000000000080-0000000000000080 ioport80
0000000000000092-0000000000000092 port92
00000000000000a0-00000000000000a1 pic
00000000000000b2-00000000000000b3 apm-io
00000000000000f0-00000000000000f0 ioportF0
00000000000004d0-00000000000004d0 elcr
00000000000004d1-00000000000004d1 elcr
0000000000000cf8-0000000000000cfb pci-conf-idx
0000000000000cfc-0000000000000cff pci-conf-data
"""
# `info pci`, without the IDE controller
PCI = """\
  Bus  0, device   0, function 0:
    Host bridge: PCI device 8086:1237
      PCI subsystem 1af4:1100
      id ""
  Bus  0, device   1, function 0:
    ISA bridge: PCI device 8086:7000
      PCI subsystem 1af4:1100
      id ""
"""
PM = """\
  Bus  0, device   1, function 3:
    Bridge: PCI device 8086:7113
      PCI subsystem 1af4:1100
      IRQ 0, pin A
      id ""
"""
PIC = ["pic1: irr=00 imr=00 isr=00 hprio=0 irq_base=00 rr_sel=0 elcr=00 fnm=0",
       "pic0: irr=00 imr=00 isr=00 hprio=0 irq_base=00 rr_sel=0 elcr=00 fnm=0"]


@pytest.fixture
def bios(tmp_path):
    path = tmp_path / "bios.bin"
    path.write_bytes(b"\xF4" * 0x40000)
    return str(path)


@pytest.fixture
def pc(make_machine, bios):
    machine = make_machine(machine="pc", bios=bios, vga="none", ram_size=256 << 20)
    with machine.main_loop.lock:
        machine.system_reset()
    return machine


def lines(text):
    """info mtree's lines, without indentation and attributes."""
    return [re.sub(r" \(prio [^)]*\):", "", line.strip()) for line in text.splitlines() if line.strip()]


def test_info_mtree_has_memory_as_qemu_has_it(pc):
    text = lines(pc.info_mtree())
    for line in lines(MEMORY):
        assert line in text, line


def test_info_mtree_has_ports_as_qemu_has_them(pc):
    text = lines(pc.info_mtree())
    for line in lines(PORTS):
        assert line in text, line


def test_the_pci_space_is_below_ram(pc):
    assert "(prio -1, RW): pci\n" in pc.info_mtree()


def test_info_pci_lists_the_chip_set_as_qemu_does(pc):
    text = pc.info_pci()
    assert text.startswith(PCI)
    assert PM in text


def test_info_pic_is_all_zero_after_reset(pc):
    assert pc.pic.describe().splitlines() == PIC


def test_isapc_has_no_pci(make_machine, bios):
    machine = make_machine(machine="isapc", bios=bios)
    assert machine.pci is None
    assert machine.memory.address_space_io.find(0xCF8) is None


def test_an_interrupt_of_a_pci_slot_reaches_the_interrupt_controller(pc):
    config = pc.memory.physmap
    config.port_write(0xCF8, 0x80000860, 4)             # PIIX3, PIRQRC
    config.port_write(0xCFC, 0x0B0A0B0A, 4)             # PIRQA, C: IRQ 10; B, D: IRQ 11
    config.port_write(0x4D1, 0x0C, 1)                   # both level triggered
    line = pc.pci.pirqs[pc.pci.map_irq(2, 1)].input()   # INTA# of slot 2 is PIRQB
    line.raise_()
    assert pc.pic.slave.s.irr == 0x08
    line.lower()
    assert pc.pic.slave.s.irr == 0


def test_sci_and_pirqs_share_interrupt_9_with_isa(pc):
    sci, isa = pc.pm.sci, pc.isa.irq(9)
    isa.raise_()
    sci.raise_()
    isa.lower()
    assert pc.pic.slave.s.lines & 2
    sci.lower()
    assert not pc.pic.slave.s.lines & 2


def monitor(command):
    """What qemu-system-i386 answers for the same machine, as lines without the monitor's echo."""
    if shutil.which("qemu-system-i386") is None:
        pytest.skip("qemu-system-i386 is not installed")
    run = subprocess.run(["qemu-system-i386", "-M", "pc", "-nodefaults", "-m", "256", "-display", "none", "-S", "-monitor", "stdio"],
                         input=f"{command}\nquit\n", capture_output=True, text=True, timeout=60)
    return run.stdout


def test_regions_lie_where_this_hosts_qemu_has_those_of_the_same_name(pc):
    pattern = re.compile(r"^\s*([0-9a-f]{16})-([0-9a-f]{16}) \(prio [^)]*\): (?:alias )?([\w.-]+)", re.M)
    theirs, ours = ({(int(start, 16), int(end, 16), name) for start, end, name in pattern.findall(text)}
                    for text in (monitor("info mtree"), pc.info_mtree()))
    # The DMA controllers' regions are cut otherwise: QEMU leaves the unused page registers out.
    known = {name for _, _, name in theirs if not name.startswith("dma-")}
    for start, end, name in sorted(ours):
        assert name not in known or any(first <= start and end <= last for first, last, other in theirs
                                        if other == name), (hex(start), hex(end), name)
