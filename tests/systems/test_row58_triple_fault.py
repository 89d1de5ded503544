"""Row 58, reset sources: the CPU's own, a triple fault (SDM vol. 3, 6.15: shutdown)."""


def shut_down(**options):
    from qemu_py import CPU
    cpu = CPU("qemu32", ram=1 << 20, deliver=True, **options)
    cpu.idt_base, cpu.idt_limit = 0, 0
    cpu.write(0x1000, b"\xCC")
    cpu.eip = 0x1000
    return cpu, cpu.run(steps=10)


def test_a_triple_fault_ends_execution():
    _, result = shut_down()
    assert result.reason == "triple fault"


def test_the_cpu_is_still_where_the_fault_was():
    cpu, _ = shut_down()
    assert cpu.eip == 0x1000


def test_reset_brings_it_back():
    cpu, _ = shut_down()
    cpu.reset()
    assert cpu.eip == 0xFFF0 and cpu.cr0 == 0x60000010
    cpu.load_segment("cs", 0, 0, 0xFFFF, 0x9B00)
    cpu.write(0x1000, b"\x40\xF4")                              # inc ax; hlt
    cpu.eip = 0x1000
    assert cpu.run(steps=10).reason == "hlt" and cpu.ax == 1
