"""Machine code as text, guest's and host's: through capstone when it is installed, or objdump, or as bytes."""
from __future__ import annotations

import functools
import re
import shutil
import subprocess
import tempfile

from qemu_py.util import log

_hinted = False


def disassemble(pc: int, code: bytes, bits: int = 32) -> str:
    """Lines "address:  bytes  text" for `code` at `pc`; `bits` is the code size, 16 or 32."""
    global _hinted
    lines = [line(address, data, text, 10) for address, data, text in instructions(pc, code, bits)]
    if hint() and not _hinted:
        _hinted = True
        lines.append(f"({hint()})")
    return "\n".join(lines) + "\n"


def line(address: int, data: bytes, text: str, width: int = 0) -> str:
    """An instruction; the address takes `width` characters at least."""
    return f"{address:#0{width}x}:  {data.hex(' '):<30}  {text}".rstrip()


def instructions(pc: int, code: bytes, bits: int = 32, starts=()) -> list[tuple[int, bytes, str]]:
    """[(address, bytes, text)] of `code` at `pc`; `bits` is 16, 32 or 64. Without a disassembler the text is "", and the bytes
    are cut at `starts` (offsets), or every eight."""
    try:
        import capstone
    except ImportError:
        found = _objdump(pc, code, bits)
        if found is not None:
            return found
        cuts = [*(start for start in starts if 0 < start < len(code)), len(code)] if starts else [*range(8, len(code), 8), len(code)]
        return [(pc + a, code[a:b], "") for a, b in zip([0, *cuts], cuts)]
    mode = {16: capstone.CS_MODE_16, 32: capstone.CS_MODE_32, 64: capstone.CS_MODE_64}[bits]
    md = capstone.Cs(capstone.CS_ARCH_X86, mode)
    md.syntax = capstone.CS_OPT_SYNTAX_ATT
    found, at = [], 0
    while at < len(code):
        for address, size, mnemonic, operands in md.disasm_lite(code[at:], pc + at):
            found.append((address, code[at:at + size], f"{mnemonic} {operands}".rstrip()))
            at += size
        if at < len(code):
            found.append((pc + at, code[at:at + 1], f".byte {code[at]:#04x}"))
            at += 1
    return found


def hint() -> str:
    """What to install for a better listing; "" when nothing is missing."""
    try:
        import capstone     # noqa: F401
    except ImportError:
        if _objdump_program() is None:
            return "install capstone for a disassembly: pip install qemu_py[disas]"
    return ""


@functools.lru_cache(maxsize=None)
def _objdump_program() -> str | None:
    return shutil.which("objdump")


@functools.lru_cache(maxsize=256)
def _objdump(pc: int, code: bytes, bits: int) -> list[tuple[int, bytes, str]] | None:
    program = _objdump_program()
    if program is None or not code:
        return None
    machine = {16: "i8086", 32: "i386", 64: "i386:x86-64"}[bits]
    with tempfile.NamedTemporaryFile() as f:
        f.write(code)
        f.flush()
        run = subprocess.run([program, "-D", "-w", "-z", "-b", "binary", "-m", machine, f"--adjust-vma={pc:#x}", f.name],
                             capture_output=True, text=True, check=False)
    if run.returncode:
        return None
    rows = re.findall(r"^ *([0-9a-f]+):\t((?:[0-9a-f]{2} )+)[ \t]*(.*)$", run.stdout, re.MULTILINE)
    return [(int(address, 16), bytes.fromhex(data), " ".join(text.split())) for address, data, text in rows]


def trace(category: int, payload) -> None:
    """The core's tracer: blocks of guest code come as (pc, bytes, bits), host code as (pc, address, bytes), the rest as text."""
    if category == log.CPU_LOG_TB_IN_ASM:
        pc, code, bits = payload
        log.log(category, "----------------\nIN:\n" + disassemble(pc, code, bits))
    elif category == log.CPU_LOG_TB_OUT_ASM:
        pc, parts = payload
        text = f"OUT: {pc:#010x} [size={'+'.join(str(len(code)) for _, code in parts)}]\n"
        for address, code in parts:
            text += "".join(line(*row) + "\n" for row in instructions(address, code, 64))
        log.log(category, text)
    else:
        log.log(category, payload)
