"""SYSTEMS row 36: cpu_exec_init_all: an empty, usable state, again and again in one process. Row 39: cpu_x86_init and the models of -cpu."""
import struct

import pytest

from qemu_py._core.cpu_face import TBCache
from qemu_py._core.x86.cpu_models import cpu_models
from qemu_py.machine.config import MachineConfig
from qemu_py.machine.machine import Machine
from qemu_py.util.errors import UserError
from tests.boot.kernels import debug_exit
from tests.guest import asm
from tests.machines import EXIT


# ---------------------------------------------------------------- row 36
def test_a_new_cache_is_empty():
    counters = TBCache().counters()
    assert counters["tb_count"] == counters["tb_gen_count"] == counters["tb_flush_count"] == 0
    assert counters["code_gen_bytes"] == 0 < counters["code_gen_buffer_size"]


def test_machines_one_after_the_other_and_side_by_side(make_machine):
    ended = [make_machine(debug_exit(n), machine="isapc", devices=EXIT).run() for n in range(4)]
    assert ended == [1, 3, 5, 7]
    first, second = (make_machine(debug_exit(n), machine="isapc", devices=EXIT) for n in (8, 9))
    assert first.tb_cache is not second.tb_cache
    assert (second.run(), first.run()) == (19, 17)
    assert first.cpus[0].counters()["tb_gen_count"] == second.cpus[0].counters()["tb_gen_count"] > 0


# ---------------------------------------------------------------- row 39
CPUID = asm("""
    mov eax, 0; cpuid; mov [0x7000], ebx; mov [0x7004], edx; mov [0x7008], ecx
    mov eax, 1; cpuid; mov [0x700c], eax; mov [0x7010], edx
""")


def cpuid(make_machine, model):
    machine = make_machine(CPUID + debug_exit(3), machine="isapc", cpu_model=model, devices=EXIT)
    assert machine.run() == 7
    data = machine.memory.address_space_memory.read(0x7000, 0x14)
    signature, features = struct.unpack_from("<II", data, 12)
    return bytes(data[:12]), signature >> 8 & 15, features


@pytest.mark.parametrize("model, family, has, has_not", [
    ("486", 4, 0x1, 0x02808000), ("pentium", 5, 0x110, 0x02008000), ("pentium2", 6, 0x00808000, 0x02000000), ("pentium3", 6, 0x02808000, 0x04000000),
    ("qemu32", 6, 0x06808000, 0), ("qemu32,-sse2", 6, 0x02808000, 0x04000000), ("pentium,+mmx", 5, 0x00800000, 0x8000)])
def test_the_guest_finds_the_model_in_cpuid(make_machine, model, family, has, has_not):
    """FPU is bit 0, TSC 4, CX8 8, CMOV 15, MMX 23, SSE 25, SSE2 26 of EDX."""
    vendor, its_family, features = cpuid(make_machine, model)
    assert vendor == b"GenuineIntel" and its_family == family
    assert features & has == has and features & has_not == 0


def test_every_model_that_is_listed_starts(make_machine):
    for model in cpu_models():
        assert make_machine(debug_exit(3), machine="isapc", cpu_model=model, devices=EXIT).run() == 7


@pytest.mark.parametrize("model", ["pentium9", "", "qemu32,+sse9", "qemu32,sse", ",+sse"])
def test_an_unknown_model_or_feature_is_one_clear_line(tmp_path, model):
    (tmp_path / "bios").write_bytes(bytes(65536))
    with pytest.raises(UserError) as error:
        Machine(MachineConfig(ram_size=16 << 20, bios=str(tmp_path / "bios"), cpu_model=model))
    assert "-cpu" in str(error.value) and "\n" not in str(error.value)
