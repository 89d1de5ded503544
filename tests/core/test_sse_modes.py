"""When MMX and SSE instructions may run: CR0.EM, CR0.TS, CR4.OSFXSR, alignment (SDM vol. 3, tables 12-1 and 13-1)."""
import pytest

from tests.core.simd import (CR0_EM, CR0_NE, CR0_TS, CR4_OSFXSR, CR4_OSXMMEXCPT, DATA, run, sse_cpu, x)

UD, NM, GP = 6, 7, 13
PADDB_MM, PADDB_XMM, ADDPS, EMMS = "0ffcc1", "660ffcc1", "0f58c1", "0f77"
CVTPI2PS, MOVDQ2Q, PSHUFW = "0f2ac1", "f20fd6c1", "0f70c11b"
LDMXCSR, STMXCSR = "0fae13", "0fae1b"           # [ebx]
MODELESS = {"pause": "f390", "lfence": "0faee8", "mfence": "0faef0", "sfence": "0faef8", "movnti": "0fc303",
            "prefetchnta": "0f1803", "clflush": "0fae3b"}
MMX = [PADDB_MM, EMMS, PSHUFW]
XMM = [PADDB_XMM, ADDPS, CVTPI2PS, MOVDQ2Q, LDMXCSR, STMXCSR]


@pytest.mark.parametrize("code", MMX + XMM)
def test_emulation_makes_every_simd_instruction_undefined(code):
    assert run(sse_cpu(cr0=CR0_NE | CR0_EM), code).vector == UD


@pytest.mark.parametrize("code", MMX + XMM)
def test_task_switched_raises_device_not_available(code):
    assert run(sse_cpu(cr0=CR0_NE | CR0_TS), code).vector == NM


@pytest.mark.parametrize("code", XMM)
def test_xmm_needs_osfxsr(code):
    assert run(sse_cpu(cr4=0), code).vector == UD


@pytest.mark.parametrize("code", MMX)
def test_mmx_does_not_need_osfxsr(code):
    assert run(sse_cpu(cr4=0), code).reason == "steps"


def test_undefined_comes_before_device_not_available():
    assert run(sse_cpu(cr0=CR0_NE | CR0_EM | CR0_TS), ADDPS).vector == UD
    assert run(sse_cpu(cr0=CR0_NE | CR0_TS, cr4=0), ADDPS).vector == UD


@pytest.mark.parametrize("name", MODELESS)
def test_fences_hints_and_movnti_run_in_every_mode(name):
    cpu = sse_cpu(cr0=CR0_NE | CR0_EM | CR0_TS, cr4=0)
    cpu.ebx = DATA
    assert run(cpu, MODELESS[name]).reason == "steps"


@pytest.mark.parametrize("code", ["0f2803", "0f2903", "660f6f03", "660fe703", "0f2b03", "0f5803", "660ffc03", "0fc60300"])
def test_packed_memory_operands_must_be_aligned(code):
    cpu = sse_cpu()
    cpu.ebx = DATA + 8
    result = run(cpu, code)
    assert (result.vector, result.error_code) == (GP, 0)
    cpu.ebx = DATA + 16
    assert run(cpu, code).reason == "steps"


@pytest.mark.parametrize("code", ["0f1003", "0f1103", "660f1003", "f30f6f03", "f30f7f03", "f20ff003", "f30f5803", "f20f5803", "0f1203"])
def test_unaligned_and_scalar_memory_operands_need_not_be(code):
    cpu = sse_cpu()
    cpu.ebx = DATA + 3
    assert run(cpu, code).reason == "steps"


@pytest.mark.parametrize("code", ["f30ffcc1", "f20ffcc1", "f30f28c1", "660f77", "f30f54c1", "660fae13", "f00f58c1", "f00f1103"])
def test_prefixes_that_no_table_row_has_are_undefined(code):
    cpu = sse_cpu()
    cpu.ebx = DATA
    assert run(cpu, code).vector == UD


def test_a_fault_of_the_memory_operand_leaves_registers_alone():
    cpu = sse_cpu()
    cpu.xmm0 = before = x("4f", 1, 2, 3, 4)
    cpu.ebx = 0xFFF8        # 16 bytes beyond the segment's end below
    cpu.load_segment("ds", 0x10, 0, 0xFFFF, 0x409300)
    assert run(cpu, "0f1003").vector == GP
    assert run(cpu, "0f1203").reason == "steps"         # the last eight bytes are within the limit
    cpu.xmm0 = before
    cpu.ebx = 0xFFF9
    assert run(cpu, "0f1203").vector == GP
    assert cpu.xmm0 == before


def test_ldmxcsr_refuses_reserved_bits():
    cpu = sse_cpu()
    cpu.ebx = DATA
    cpu.write(DATA, (0x1F80 | 1 << 16).to_bytes(4, "little"))
    assert run(cpu, LDMXCSR).vector == GP
    assert cpu.mxcsr == 0x1F80
    cpu.write(DATA, (0xFFFF).to_bytes(4, "little"))
    assert run(cpu, LDMXCSR).reason == "steps"
    assert cpu.mxcsr == 0xFFFF


def test_stmxcsr_stores_what_ldmxcsr_loaded_and_what_happened_since():
    cpu = sse_cpu()
    cpu.ebx = DATA
    cpu.write(DATA, (0x7F80).to_bytes(4, "little"))
    cpu.xmm0, cpu.xmm1 = x("4f", 1, 1, 1, 1), x("4f", 3, 3, 3, 3)
    run(cpu, LDMXCSR + "0f5ec1" + STMXCSR, steps=3)     # divps: inexact
    assert cpu.read(DATA, 4) == (0x7FA0).to_bytes(4, "little")
    assert cpu.cr4 == CR4_OSFXSR | CR4_OSXMMEXCPT
