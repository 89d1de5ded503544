"""Row 26: dirty_log_mask: the VGA, CODE and MIGRATION clients are independent."""
import pytest

from qemu_py.system.memory import (
    DIRTY_MEMORY_MIGRATION, DIRTY_MEMORY_VGA, MemoryListener, MemoryRegion)

PAGE = 0x1000


@pytest.fixture
def vram(memory):
    region = MemoryRegion.ram("vram", 16 * PAGE, memory.ram_list)
    memory.system_memory.add_subregion(0xA0000, region)
    region.set_log(True, DIRTY_MEMORY_VGA)
    for client in (DIRTY_MEMORY_VGA, DIRTY_MEMORY_MIGRATION):
        region.reset_dirty(0, region.size, client)
    return region


def dirty_pages(region, client):
    return [i for i in range(region.size // PAGE) if region.get_dirty(i * PAGE, PAGE, client)]


def test_a_write_makes_its_page_dirty_for_every_client(memory, vram):
    memory.address_space_memory.write(0xA0000 + 3 * PAGE + 7, b"x")
    assert dirty_pages(vram, DIRTY_MEMORY_VGA) == [3]
    assert dirty_pages(vram, DIRTY_MEMORY_MIGRATION) == [3]


def test_a_client_resets_its_own_bit_only(memory, vram):
    memory.address_space_memory.write(0xA0000 + 3 * PAGE, b"x")
    vram.reset_dirty(0, vram.size, DIRTY_MEMORY_VGA)
    assert dirty_pages(vram, DIRTY_MEMORY_VGA) == []
    assert dirty_pages(vram, DIRTY_MEMORY_MIGRATION) == [3]


def test_a_write_over_a_border_makes_both_pages_dirty(memory, vram):
    memory.address_space_memory.write(0xA0000 + 5 * PAGE - 1, b"xy")
    assert dirty_pages(vram, DIRTY_MEMORY_VGA) == [4, 5]


def test_a_write_through_the_view_is_told_by_set_dirty(vram):
    vram.view[2 * PAGE] = 1
    assert dirty_pages(vram, DIRTY_MEMORY_VGA) == []
    vram.set_dirty(2 * PAGE, 1)
    assert dirty_pages(vram, DIRTY_MEMORY_VGA) == [2]


def test_a_read_makes_nothing_dirty(memory, vram):
    memory.address_space_memory.read(0xA0000, vram.size)
    assert dirty_pages(vram, DIRTY_MEMORY_VGA) == []


def test_the_mask_has_a_bit_for_each_client_and_listeners_hear_of_it(memory):
    class Trace(MemoryListener):
        calls = []

        def log_start(self, section):
            self.calls.append(("start", section.mr.name))

        def log_stop(self, section):
            self.calls.append(("stop", section.mr.name))

        def log_sync(self, section):
            self.calls.append(("sync", section.mr.name))

    region = MemoryRegion.ram("vram", 16 * PAGE, memory.ram_list)
    memory.system_memory.add_subregion(0xA0000, region)
    memory.address_space_memory.add_listener(Trace())
    region.set_log(True, DIRTY_MEMORY_VGA)
    region.set_log(True, DIRTY_MEMORY_MIGRATION)
    assert region.dirty_log_mask == 0b1001 and region.is_logging
    region.sync_dirty_bitmap()
    region.set_log(False, DIRTY_MEMORY_VGA)
    assert region.dirty_log_mask == 0b1000
    region.set_log(False, DIRTY_MEMORY_MIGRATION)
    assert Trace.calls == [("start", "vram"), ("sync", "vram"), ("stop", "vram")]


def test_the_code_client_is_independent_of_the_others():
    """Resetting the display's bit must not lose the knowledge that a page holds code, nor the other way round."""
    from qemu_py import CPU
    code, data = 0x1000, 0x1800                 # one page
    cpu = CPU("qemu32", ram=1 << 20)

    def run(text):
        cpu.write(0x4000, text + b"\xF4")
        cpu.eip = 0x4000
        cpu.run()

    cpu.write(code, b"\x40\xC3")                # inc eax; ret
    cpu.esp, cpu.eax, cpu.ebx = 0x8000, 0, data
    call = b"\xE8" + (code - 0x4005 & 0xFFFFFFFF).to_bytes(4, "little")
    run(call)
    cpu.physmap.reset_dirty(code, PAGE, 1 << DIRTY_MEMORY_VGA)
    run(b"\x89\x03")                            # mov [ebx],eax: beside the code
    assert cpu.physmap.get_dirty(code, PAGE, 1 << DIRTY_MEMORY_VGA)
    cpu.ebx = code
    run(b"\xC6\x03\x48" + b"\xE8" + (code - 0x4008 & 0xFFFFFFFF).to_bytes(4, "little"))    # inc becomes dec
    assert cpu.eax == 0
    assert cpu.physmap.get_dirty(code, PAGE, 1 << DIRTY_MEMORY_MIGRATION)
