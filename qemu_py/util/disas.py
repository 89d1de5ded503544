"""Guest code as text for the log: through capstone when it is installed, as bytes when not."""
from __future__ import annotations

from qemu_py.util import log

_hinted = False


def disassemble(pc: int, code: bytes, bits: int = 32) -> str:
    """Lines "address:  bytes  text" for `code` at `pc`; `bits` is the code size, 16 or 32."""
    try:
        import capstone
    except ImportError:
        return _bytes_only(pc, code)
    mode = capstone.CS_MODE_32 if bits == 32 else capstone.CS_MODE_16
    md = capstone.Cs(capstone.CS_ARCH_X86, mode)
    md.syntax = capstone.CS_OPT_SYNTAX_ATT
    lines = []
    at = 0
    while at < len(code):
        address, size, mnemonic, operands = next(
            md.disasm_lite(code[at:], pc + at, 1), (pc + at, 1, ".byte", f"{code[at]:#04x}"))
        lines.append(f"{address:#010x}:  {code[at:at + size].hex(' '):<30}  {mnemonic} {operands}".rstrip())
        at += size
    return "\n".join(lines) + "\n"


def _bytes_only(pc: int, code: bytes) -> str:
    global _hinted
    lines = [f"{pc + i:#010x}:  {code[i:i + 16].hex(' ')}" for i in range(0, len(code), 16)]
    if not _hinted:
        _hinted = True
        lines.append("(install capstone for a disassembly: pip install qemu_py[disas])")
    return "\n".join(lines) + "\n"


def trace(category: int, payload) -> None:
    """The core's tracer: blocks of guest code come as (pc, bytes, bits), the rest as text."""
    if category == log.CPU_LOG_TB_IN_ASM:
        pc, code, bits = payload
        log.log(category, "----------------\nIN:\n" + disassemble(pc, code, bits))
    else:
        log.log(category, payload)
