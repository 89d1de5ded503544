"""Accesses with a common base register, which host code checks at once: frames and structures wherever they lie."""
import pytest

from qemu_py import CPU
from tests.guest import asm
from tests.paging import CR0_PG, DIRECTORY, Tables

CODE, RAM = 0x1000, 1 << 20
# Fields of a structure at EBX, a frame at ESP that moves by pushes, pops and constants
TURN = ("mov eax, [ebx + 4]; add eax, ecx; mov [ebx + 12], eax; add [ebx + 8], eax; movzx edx, word ptr [ebx + 14]; "
        "push eax; push edx; sub esp, 8; mov [esp + 4], eax; mov esi, [esp + 8]; xor [esp], esi; add esi, [esp + 12]; "
        "add esp, 8; pop edi; pop ebp; mov [ebx], edi")
FLOATS = ("fld dword ptr [ebx + 4]; fadd qword ptr [ebx + 8]; fstp qword ptr [ebx + 8]; fnstcw [ebx]; movups xmm0, [ebx + 16]; "
          "paddd xmm1, xmm0; movups [ebx + 32], xmm1; movss [ebx + 20], xmm1; movd xmm2, ebx; movd ebx, xmm2; fild dword ptr [ebx + 4]; fistp word ptr [ebx + 2]; "
          "fld1; fcompp; fnstsw ax; mov [ebx + 48], ax")
# Three bases at once; one of them moves, another is written to within
SEVERAL = ("mov eax, [ebx]; add eax, [esi + 8]; push eax; mov [esi + 4], eax; add [ebx + 4], ecx; lea ebx, [ebx + 8]; "
           "mov dword ptr [ebx - 4], 7; pop dword ptr [esi]; mov edx, [ebx + 4]; mov edi, [esp - 4]; xor [esi + 12], edi; "
           "sub ebx, 8; mov ebp, [esi + 4]; mov esi, [esp + 16]; mov eax, [esi]; add [esi + 8], eax")
REGISTERS = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip", "eflags")


def run(tier, ebx, esp, prepare=lambda cpu: None, turn=TURN):
    code = asm(f"again: {turn}; dec ecx; jnz again; hlt", CODE)
    cpu = CPU("qemu32", ram=RAM, tier=tier)
    cpu.write(CODE, code)
    cpu.write(0x8000, bytes(range(256)) * 64)
    cpu.eip, cpu.ebx, cpu.esp, cpu.ecx = CODE, ebx, esp, 100
    prepare(cpu)
    result = cpu.run(until=CODE + len(code) - 1, steps=5000)
    assert (cpu.counters()["host_count"] > 0) == (tier is not None)
    return result.reason, {name: getattr(cpu, name) for name in REGISTERS}, cpu.read(0, RAM)


@pytest.mark.parametrize("ebx", (0x9000, 0x8FF8, 0x8FF1, 0x8FFF))
@pytest.mark.parametrize("esp", (0xB000, 0xB010, 0xB004, 0xB007))
def test_in_a_page_and_across_two(ebx, esp):
    assert run(None, ebx, esp) == run(3, ebx, esp)


@pytest.mark.parametrize("ebx", (0x9000, 0x8FF0, 0x8FDC, 0x8FF1, 0x8FFF))
def test_floating_point_in_a_page_and_across_two(ebx):
    def vectors(cpu):
        cpu.cr4 = 0x600
    assert run(None, ebx, 0xB000, vectors, FLOATS) == run(3, ebx, 0xB000, vectors, FLOATS)


@pytest.mark.parametrize("ebx", (0x9FF4, 0x9000))
def test_across_pages_that_are_no_neighbours_in_memory(ebx):
    def paged(cpu):
        tables = Tables(cpu)
        for page in range(0, 0x40000, 0x1000):
            tables.map(page, page)
        tables.map(0xA000, 0x20000)
        tables.map(0xB000, 0x18000)
        cpu.cr3, cpu.cr0 = DIRECTORY, cpu.cr0 | CR0_PG
    assert run(None, ebx, 0xB008, paged) == run(3, ebx, 0xB008, paged)


@pytest.mark.parametrize("ebx", (0x9000, 0x8FF9))
@pytest.mark.parametrize("esi", (0x9800, 0x8FF4, 0x9002))           # the last lies over what EBX points at
@pytest.mark.parametrize("esp", (0xC000, 0xA004, 0x9010))
def test_several_bases_at_once(ebx, esi, esp):
    def structures(cpu):
        cpu.esi = esi
        cpu.write(esp + 16, esi.to_bytes(4, "little"))
    assert run(None, ebx, esp, structures, SEVERAL) == run(3, ebx, esp, structures, SEVERAL)


def test_an_address_that_was_computed_beside_bases_that_have_moved():
    """Of a bit string's bit, in a temporary of the translator's."""
    body = ("mov eax, [esi]; lea esi, [esi + 4]; add eax, [esi]; movzx edx, word ptr [edi]; add edi, 8; bts [ebx], edx; mov [edi - 8], eax; "
            "adc eax, [esi + 4]; sub esi, 4; sub edi, 8")

    def strings(cpu):
        cpu.esi, cpu.edi = 0x9800, 0xA000
    assert run(None, 0x30000, 0xB000, strings, body) == run(3, 0x30000, 0xB000, strings, body)


@pytest.mark.parametrize("first", (0x9000, 0xC000))
def test_a_base_across_strange_pages_is_checked_access_by_access(first):
    """After 16 failures; the others keep their groups."""
    def structures(cpu):
        cpu.esi = 0xA000
        cpu.write(0xC010, (0xA000).to_bytes(4, "little"))
        tables = Tables(cpu)
        for page in range(0, 0x40000, 0x1000):
            tables.map(page, page)
        tables.map(first + 0x1000, 0x30000)
        cpu.cr3, cpu.cr0 = DIRECTORY, cpu.cr0 | CR0_PG
    ebx, esp = (0x9FFC, 0xC000) if first == 0x9000 else (0x9000, 0xCFFC)
    assert run(None, ebx, esp, structures, SEVERAL) == run(3, ebx, esp, structures, SEVERAL)


def test_where_there_is_no_memory():
    assert run(None, 0x9000, 0xFFFFFFF0) == run(0, 0x9000, 0xFFFFFFF0)
    assert run(None, 0xFFFFFFF8, 0x9000) == run(0, 0xFFFFFFF8, 0x9000)


def test_a_frame_in_the_page_of_its_own_code():
    assert run(None, 0x9000, CODE + 0x800) == run(3, 0x9000, CODE + 0x800)
