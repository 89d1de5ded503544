"""Loops of one block as host code (host/turns.pyx): the first turn, the others, and what ends them."""
import pytest

from qemu_py import CPU
from tests.guest import asm
from tests.paging import CR0_PG, DIRECTORY, Tables

CODE, DATA, STACK, RAM = 0x4000, 0x8000, 0x7000, 1 << 16
REGISTERS = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip", "eflags")


def looped(body, tier, ecx, steps):
    cpu = CPU("qemu32", ram=RAM, tier=tier)
    code = asm(f"again: {body} again; hlt", CODE)
    cpu.write(CODE, code)
    cpu.write(DATA, bytes(range(256)) * 8)
    cpu.cr4 = 0x600                     # SSE
    cpu.eip, cpu.esi, cpu.edi, cpu.esp, cpu.ecx = CODE, DATA, DATA + 0x400, STACK, ecx
    result = cpu.run(until=CODE + len(code) - 1, steps=steps)
    return result.reason, {name: getattr(cpu, name) for name in REGISTERS}, cpu.read(0, RAM), cpu.counters()["insn_count"]


BODIES = {
    "flags from the turn before": "adc eax, [esi]; add edx, eax; dec ecx; jnz",
    "a register that flags lie in": "movzx edx, byte ptr [esi]; mov [edi], dl; inc esi; inc edi; sub ecx, 1; jnz",
    "nothing but a counter": "dec ecx; jnz",
    "bases that keep": "mov eax, [esi + 4]; add [edi], eax; mov edx, [esi + 12]; xor [edi + 8], edx; push eax; pop ebx; dec ecx; jnz",
    "a base that is read once": "add eax, [esi]; dec ecx; jnz",
    "a base that ends up elsewhere": "mov eax, [esi]; mov [edi + 4], eax; lea edi, [edi + 4]; dec ecx; jnz",
    "a call of the interpreter within": "mov eax, [esi]; push ecx; mov [edi], eax; cpuid; pop ecx; add edx, [esi + 4]; dec ecx; jnz",
    "a string within": "movsb; mov [edi], ecx; dec ecx; jnz",
    "a string that is compared": "mov al, [edi + 3]; scasb; adc edx, eax; cmpsw; sbb ebx, edx; dec ecx; jnz",
    "a string and the jump behind it": "mov eax, [edi]; scasd; je",
    "carry beside": "shr eax, 1; bt ecx, 3; rcr eax, 1; lea ecx, [ecx - 1]; test ecx, ecx; jnz",
    "floating point": "fild dword ptr [esi]; fistp dword ptr [edi]; cvtsi2sd xmm0, dword ptr [esi + 4]; addsd xmm1, xmm0; dec ecx; jnz",
    "a count in a base": "mov eax, [ecx + 0x8000]; add edx, eax; mov [ecx + 0x8100], edx; loop",
    "no end": "add eax, [esi]; adc edx, eax; mov [edi], edx; jmp",
    "a call of itself": "add eax, [esp]; mov [esp - 8], eax; add edx, [esp + 4]; call",
}


@pytest.mark.parametrize("ecx", (1, 2, 3, 50))
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_loop_of_one_block(body, ecx):
    assert looped(body, None, ecx, 3000) == looped(body, 0, ecx, 3000)


@pytest.mark.parametrize("steps", range(1, 14))
def test_a_loop_stops_at_the_instruction(steps):
    """Within the first turn and within others; the flags are those of that instruction."""
    def run(tier):
        cpu = CPU("qemu32", ram=RAM, tier=tier)
        cpu.write(CODE, asm("again: add eax, [esi]; mov edx, eax; dec ecx; jnz again; hlt", CODE))
        cpu.write(DATA, b"\xFF\xFF\xFF\x7F")
        cpu.eip, cpu.esi, cpu.ecx = CODE, DATA, 100
        cpu.run(steps=steps)
        return [getattr(cpu, name) for name in REGISTERS]
    assert run(None) == run(0)


@pytest.mark.parametrize("tier", (None, 0))
def test_a_loop_that_patches_itself_runs_as_patched(tier):
    """In its 40th turn it makes `inc eax` a `dec eax`."""
    body = "inc eax; cmp ecx, 60; jne over; mov byte ptr [again], 0x48; over: dec ecx"
    cpu = CPU("qemu32", ram=RAM, tier=tier)
    cpu.write(CODE, asm(f"again: {body}; jnz again; hlt", CODE))
    cpu.eip, cpu.ecx = CODE, 99
    assert cpu.run(steps=10000).reason == "hlt" and cpu.eax == (40 - 59) % (1 << 32)


@pytest.mark.parametrize("tier", (None, 0))
def test_a_turn_that_stores_over_the_loop_is_the_last_of_the_old_code(tier):
    """The 41st stores to the constant that is added."""
    cpu = CPU("qemu32", ram=RAM, tier=tier)
    cpu.write(CODE, asm("again: add eax, 0x10; mov byte ptr [edi], 2; add edi, 64; dec ecx; jnz again; hlt", CODE))
    cpu.eip, cpu.edi, cpu.ecx = CODE, CODE + 2 - 64 * 40, 60
    assert cpu.run(steps=10000).reason == "hlt" and cpu.eax == 41 * 0x10 + 19 * 2


@pytest.mark.parametrize("tier", (None, 0))
def test_a_page_that_a_loop_has_unmapped_faults_in_its_next_turn(tier):
    """What is checked once for all turns is checked again when a mapping may have changed."""
    cpu = CPU("qemu32", ram=1 << 20, tier=tier)
    tables = Tables(cpu)
    for page in range(0, 0x40000, 0x1000):
        tables.map(page, page)
    cpu.cr3, cpu.cr0 = DIRECTORY, cpu.cr0 | CR0_PG
    body = "add eax, [esi]; cmp ecx, 10; sete dl; movzx edx, dl; xor [ebx], edx; invlpg [esi]; dec ecx"
    cpu.write(CODE, asm(f"again: {body}; jnz again; hlt", CODE))
    cpu.eip, cpu.esi, cpu.ebx, cpu.ecx = CODE, DATA, tables.pte_address(DATA), 30
    assert cpu.run(steps=10000).reason == "exception"
    assert (cpu.ecx, cpu.eip) == (9, CODE)
