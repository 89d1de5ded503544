"""SYSTEMS row 13: tb_flush, code_gen_buffer, code_gen_ptr: a full buffer is emptied, the guest goes on."""
from qemu_py._core import inspect
from tests.guest import cpu_with


def test_a_full_buffer_is_emptied_and_the_guest_goes_on():
    # 4000 small functions, called in turn, twice: more than the smallest buffer holds
    count, base = 4000, 0x10000
    body = b"\x05\x01\x00\x00\x00" * 4 + b"\xC3"            # add eax, 1 (four times); ret
    pieces = [(0x1000, "mov esi, 2; outer: mov edi, 0x10000; mov ecx, 4000; again: call edi; add edi, 32; dec ecx; jnz again; dec esi; jnz outer; hlt"),
              (base, b"".join(body.ljust(32, b"\xCC") for _ in range(count)))]
    cpu = cpu_with(*pieces, tb_size=1 << 18)
    assert cpu.run().reason == "hlt"
    assert cpu.eax == count * 4 * 2
    counters = cpu.counters()
    assert counters["tb_flush_count"] >= 1
    assert counters["code_gen_bytes"] <= 1 << 18


def test_a_flush_forgets_everything():
    cpu = cpu_with((0x1000, "inc eax; hlt"))
    cpu.run()
    cpu.tb_flush()
    assert inspect.valid_tbs(cpu) == [] and inspect.jmp_cache(cpu) == {} and inspect.page_tbs(cpu, 0x1000) == []
    assert cpu.counters()["code_gen_bytes"] == 0
    cpu.eip = 0x1000
    cpu.run()
    assert cpu.eax == 2
