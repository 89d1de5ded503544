"""Guest code in, IR out. To accept a changed listing after looking at it: QEMU_PY_ACCEPT=1 pytest tests/ir"""
import os
from pathlib import Path

import pytest

from qemu_py._core import inspect
from tests.guest import asm, cpu_with

GOLDEN = Path(__file__).with_name("listings")

CASES = {
    "flags_dead": "add eax, ebx; sub ecx, edx; xor esi, esi; hlt",
    "flags_live_at_a_load": "add eax, ebx; mov ecx, [edx]; sub ecx, edx; hlt",
    "fused_branch": "cmp eax, ebx; jl 0x1000",
    "fused_branch_memory": "cmp byte ptr [esi + 4], 10; je 0x1000",
    "loop_counter": "dec ecx; jnz 0x1000",
    "address_forms": "mov eax, [ebx]; mov eax, [ebx + ecx*4 + 8]; mov al, [0x1234]; mov [esp + 4], dx",
    "segment_override": "mov eax, fs:[ebx]; mov gs:[4], cl",
    "read_modify_write": "add dword ptr [eax], 5; not byte ptr [ebx]; adc [esi], ecx; xchg [edi], edx",
    "stack": "push eax; push 7; pop ebx; leave; call 0x2000",
    "indirect": "jmp dword ptr [eax*4 + 0x3000]",
    "extensions": "movzx eax, bl; movsx ecx, word ptr [edx]; cwde; setg dl; cmovne eax, ebx",
    "invalid": b"\x0F\x0B",
    "lock_on_a_register_is_invalid": b"\xF0\x01\xC8",
    "sixteen_bytes_are_too_long": b"\x66" * 14 + b"\x01\x00",
    "high_bytes": "mov ah, bl; add ch, dh; xchg al, ah",
    "operand_size_prefix": "mov ax, bx; add word ptr [eax], 1; push ax",
    "address_size_prefix": b"\x67\x8B\x07" + b"\x67\x8D\x40\x05",
}


@pytest.mark.parametrize("name", CASES)
def test_listing(name):
    code = CASES[name]
    code = asm(code, 0x1000) if isinstance(code, str) else code
    cpu = cpu_with((0x1000, code + b"\xF4"), deliver=True)
    text = "\n".join(line.rstrip() for line in inspect.tb_ops(cpu, inspect.translate(cpu))) + "\n"
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("QEMU_PY_ACCEPT"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


def test_generic_segments_choose_the_ops_with_a_check():
    cpu = cpu_with((0x1000, asm("mov eax, [ebx]; push eax") + b"\xF4"))
    selector, base, limit, flags = cpu.segment("ds")
    cpu.load_segment("ds", selector, 0x100, limit, flags)
    cpu.load_segment("ss", selector, 0, 0xFFFFF, flags)
    ops = [line.split()[0] for line in inspect.tb_ops(cpu, inspect.translate(cpu))]
    assert "ld32_g" in ops and "push32_r_any" in ops


def test_a_block_ends_where_its_page_does():
    cpu = cpu_with((0x1FF0, b"\x90" * 0x40))
    n = inspect.translate(cpu)
    assert inspect.tb_info(cpu, n)["size"] == 0x10 and inspect.tb_info(cpu, n)["jmp_xpage"][0]


def test_a_target_beyond_cs_limit_faults_at_the_jump():
    cpu = cpu_with((0x1000, b"\xE9\x00\x00\x10\x00"))
    selector, base, limit, flags = cpu.segment("cs")
    cpu.load_segment("cs", selector, base, 0xFFFF, flags & ~(1 << 23))
    result = cpu.run(steps=1)
    assert (result.reason, result.vector, result.error_code, cpu.eip) == ("exception", 13, 0, 0x1000)


def test_code_that_runs_into_cs_limit_faults_at_the_instruction_that_crosses_it():
    cpu = cpu_with((0xFFFC, b"\x90\x90\x90\xB8\x01\x00\x00\x00"))
    selector, base, limit, flags = cpu.segment("cs")
    cpu.load_segment("cs", selector, base, 0xFFFF, flags & ~(1 << 23))
    result = cpu.run()
    assert (result.vector, cpu.eip, result.steps) == (13, 0xFFFF, 3)
