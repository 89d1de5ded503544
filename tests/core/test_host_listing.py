"""Guest code in, host code out. To accept a changed listing after looking at it: QEMU_PY_ACCEPT=1 pytest tests/core/test_host_listing.py

Addresses that differ from run to run have names: a block's own labels, `stub` for what all blocks share, `site` for the data beside.
"""
import os
import platform
import re
from pathlib import Path

import pytest

from qemu_py._core.host.listing import host_code, host_stubs
from tests.guest import asm, cpu_with

capstone = pytest.importorskip("capstone")
pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="host code needs an x86-64 host")

GOLDEN = Path(__file__).with_name("listings")
CODE = 0x1000
CASES = {
    "registers": "mov eax, ebx; add eax, 5; lea ecx, [eax + edx*4 + 8]; sub ecx, edx; hlt",
    "load_store": "mov eax, [esi + 4]; mov [edi], eax; hlt",
    "frame": "push ebx; mov ebx, [esp + 8]; mov [esp + 12], ebx; pop ebx; hlt",
    "frame_and_structures": "push [esi]; mov eax, [esi + 8]; add [edi + 4], eax; mov [edi], ebx; pop ecx; hlt",
    "flags_at_an_exit": "cmp eax, ebx; jl 0x1100",
    "loop": "add eax, ecx; dec ecx; jnz 0x1000",
    "carry_beside": "cmp eax, ebx; rol ecx, 3; setz dl; hlt",
    "rotate_by_cl": "rol edx, cl; hlt",
    "double_shift_by_cl": "shld edx, eax, cl; shl eax, cl; hlt",
    "bit_in_memory": "lock bts [esi], eax; adc ebx, 0; hlt",
    "shift_memory_by_cl": "shr dword ptr [esi], cl; hlt",
    "called": "cpuid; rdtsc; hlt",
    "indirect": "jmp eax",
    "mmx": "movq mm0, [esi]; paddw mm0, mm1; pmullw mm0, [esi + 8]; psrlw mm0, 4; movq [esi], mm0; movd eax, mm0; emms; hlt",
    "truncation": "fldcw [esp + 4]; fistp dword ptr [esp]; fldcw [esp + 6]; hlt",
    "truncation_apart": "fldcw [esi]; fistp qword ptr [edi]; fldcw [ebx]; hlt",
    "compare_strings": "lodsb; scasb; jne 0x1100",
    "sse": "addps xmm0, xmm1; movaps [esi], xmm0; hlt",
}


def listing(cpu):
    stubs, size = host_stubs(cpu.cache)
    md = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    parts = [part for part in host_code(cpu.cache) if part[0] == CODE]
    own = [(address, address + len(code)) for _, _, _, address, code in parts]
    rows, targets = [], set()
    for _, _, _, address, code in parts:
        rows.append([(i.address, i.size, f"{i.mnemonic} {i.op_str}".strip()) for i in md.disasm(code, address)])

    def place(at):
        if stubs <= at < stubs + size:
            return "stub"
        if any(first <= at < last for first, last in own):
            targets.add(at)
            return f"L{at:x}"
        return "site"

    text = [[(at, re.sub(r"\[rip ([+-]) (0x[0-9a-f]+)\]", lambda m, end=at + n: "[" + place(end + int(m[1] + m[2], 16)) + "]",
                         re.sub(r"^(j\w+|call) (0x[0-9a-f]+)$", lambda m: f"{m[1]} {place(int(m[2], 16))}", line)))
             for at, n, line in part] for part in rows]
    labels = {f"L{at:x}": f"L{n}" for n, at in enumerate(sorted(targets), 1)}
    out = []
    for part in text:
        for at, line in part:
            line = re.sub(r"L[0-9a-f]{6,}", lambda m: labels[m[0]], line)
            line = re.sub(r"0x[0-9a-f]{9,}", "ADDRESS", line)
            line = re.sub(r"\[r14 \+ 0x[0-9a-f]+\]", "[env]", line)
            out.append(f"{labels.get(f'L{at:x}', ''):<4}{line}")
        out.append("")
    return "\n".join(out).rstrip() + "\n"


@pytest.mark.parametrize("name", CASES)
def test_host_code(name):
    cpu = cpu_with((CODE, asm(CASES[name], CODE)), tier=0)
    cpu.esp = cpu.esi = cpu.edi = 0x8000
    cpu.cr4 = 1 << 9
    cpu.run(steps=1)
    text = f"; {CASES[name]}\n" + listing(cpu)
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("QEMU_PY_ACCEPT"):
        path.write_text(text)
    assert text == path.read_text()
