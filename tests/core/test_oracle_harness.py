"""The oracle itself: the harness runs bytes natively, reports faults as vectors, and repeats itself."""
import numpy as np
import pytest

from tests.core.oracle import amd, compare, host
from tests.core.oracle.generate import Generator
from tests.core.oracle.instructions import forms

CF, ZF, SF, OF = 0x001, 0x040, 0x080, 0x800
DIVIDE_ERROR, BOUND, INVALID_OPCODE, PROTECTION, PAGE_FAULT, ALIGNMENT = 0, 5, 6, 13, 14, 17

pytestmark = pytest.mark.skipif(host.unavailable() is not None, reason=str(host.unavailable()))


@pytest.fixture
def cpu():
    with host.HostCPU(4096) as oracle:
        yield oracle


def one(cpu, code, how=host.RUN_JUMP, mode=32, segs=host.SEGS_FLAT, rflags=2, **registers):
    r = cpu.records
    r[0] = np.zeros((), host.RECORD)
    code = bytes.fromhex(code)
    r["code"][0, :len(code)] = list(code)
    r["codelen"][0], r["mode"][0], r["segs"][0], r["rflags"][0] = len(code), mode, segs, rflags
    r["fx"][0] = host.fresh_fx(1)[0]
    r["gpr"][0, 4] = host.WINDOW + 0x80
    for name, value in registers.items():
        r["gpr"][0, compare.NAMES.index(name)] = value
    assert cpu.run(0, 1, how) == 0
    return r[0]


@pytest.mark.parametrize("how", [host.RUN_STEP, host.RUN_JUMP])
@pytest.mark.parametrize("mode", [16, 32, 64])
def test_an_addition_sets_register_and_flags(cpu, how, mode):
    r = one(cpu, "00d8", how, mode, eax=0x80, ebx=0x80)         # add al, bl
    assert r["gpr"][0] == 0 and r["trapno"] == host.NO_FAULT and r["rip"] == host.CODE + 2
    assert int(r["rflags"]) & (CF | ZF | SF | OF) == CF | ZF | OF


def test_a_jump_is_followed(cpu):
    assert one(cpu, "eb10", host.RUN_STEP)["rip"] == host.CODE + 0x12


def test_16_bit_code_truncates_eip(cpu):
    assert one(cpu, "eb10", host.RUN_STEP, mode=16)["rip"] == host.CODE + 0x12 & 0xFFFF


@pytest.mark.parametrize("code, vector, registers", [
    ("f7f3", DIVIDE_ERROR, {}),
    ("6203", BOUND, {"eax": 1, "ebx": host.WINDOW}),
    ("0f0b", INVALID_OPCODE, {}),
    ("fa", PROTECTION, {}),
    ("648b00", PROTECTION, {}),                                 # FS is null
])
def test_a_fault_is_reported_by_its_vector(cpu, code, vector, registers):
    r = one(cpu, code, **registers)
    assert r["trapno"] == vector and r["rip"] == host.CODE


def test_a_page_fault_gives_its_address_and_error_code(cpu):
    r = one(cpu, "8903", ebx=0x12345678)                        # mov [ebx], eax
    assert (r["trapno"], r["cr2"], r["err"]) == (PAGE_FAULT, 0x12345678, 6)


def test_the_alignment_check_can_be_turned_on(cpu):
    assert one(cpu, "8b03", ebx=host.WINDOW + 1, rflags=0x40002)["trapno"] == ALIGNMENT


def test_based_segments_have_a_limit(cpu):
    last = host.WINDOW_OFFSET + host.WINDOW_SIZE - 4
    assert one(cpu, "8b03", segs=host.SEGS_BASED, ebx=last)["trapno"] == host.NO_FAULT
    assert one(cpu, "8b03", segs=host.SEGS_BASED, ebx=last + 1)["trapno"] == PROTECTION


def test_a_16_bit_stack_does_not_outlive_its_test(cpu):
    one(cpu, "90", mode=16, segs=host.SEGS_BASED, esp=0x30000840)
    assert one(cpu, "8b4500", ebp=host.WINDOW)["trapno"] == host.NO_FAULT           # mov eax, [ebp]


def test_system_calls_do_not_reach_the_kernel(cpu):
    assert one(cpu, "cd80", eax=1)["sig"] == 31                 # SIGSYS


def test_bytes_that_loop_end_only_their_worker(cpu):
    r = cpu.records
    r["codelen"][:2], r["mode"][:2] = 2, 32
    r["fx"][:2], r["gpr"][:2, 4] = host.fresh_fx(2), host.WINDOW + 0x80
    r["code"][0, :2] = [0xEB, 0xFE]                             # jmp $
    r["code"][1, :2] = [0x90, 0x90]
    assert cpu.run(0, 2, host.RUN_JUMP) == 1
    assert list(r["status"][:2]) == [host.STATUS_DIED, host.STATUS_RAN]


def test_bytes_that_overwrite_the_way_back_are_told_from_those_that_ran(cpu):
    store = "c605" + (host.CODE + 20).to_bytes(4, "little").hex() + "00"            # mov byte [code + 20], 0
    assert one(cpu, store)["status"] == host.STATUS_LOST
    assert one(cpu, "90")["status"] == host.STATUS_RAN


@pytest.mark.parametrize("family", ["int", "fpu", "sse"])
def test_the_host_cpu_agrees_with_itself(cpu, family):
    if not forms(family):
        pytest.skip(f"no rows of family {family} in the opcode tables")
    batch = Generator(family).batch(seed=7, number=0, count=4096)
    step = int((batch.how == host.RUN_STEP).sum())
    outcomes = []
    for _ in range(2):
        cpu.records[:] = batch.records
        cpu.run(0, step, host.RUN_STEP)
        cpu.run(step, 4096 - step, host.RUN_JUMP)
        outcomes.append(cpu.records.copy())
    found = compare.differences(batch, *outcomes)
    assert not compare.any_difference(found).any()


def test_a_batch_is_a_function_of_its_seed_and_number():
    generator = Generator("int")
    first, again, other = (generator.batch(3, n, 2048).records for n in (5, 5, 6))
    assert first.tobytes() == again.tobytes() != other.tobytes()


def test_a_difference_is_reported_with_bytes_and_values(cpu):
    batch = Generator("int").batch(seed=7, number=0, count=2048)
    before = batch.records
    before["status"] = host.STATUS_RAN
    after = before.copy()
    after["gpr"][9, 3] ^= 0x10
    found = compare.differences(batch, before, after)
    assert list(np.nonzero(compare.any_difference(found))[0]) == [9]
    text = compare.report(batch, before, before, after, 9, found)
    assert "differ in: gpr" in text and "expected" in text and "ebx=" in text
    assert bytes(before["code"][9][:int(before["codelen"][9])]).hex(" ") in text


def test_what_amd_does_otherwise_is_ignored_where_it_is_explained_and_only_there():
    silicon, engine = np.zeros(4, host.RECORD), np.zeros(4, host.RECORD)
    names = np.array(["int1", "add", "mov", "fist"])
    silicon["trapno"] = [host.NO_FAULT, PROTECTION, PROTECTION, PAGE_FAULT]
    engine["trapno"] = [host.NO_FAULT, PAGE_FAULT, PAGE_FAULT, host.NO_FAULT]
    engine["cr2"] = [0, 0xFFFFFFFD, 0x12345678, 0]              # a dword at FFFFFFFDh wraps
    engine["fx"][3, 2] = amd.ES
    ignored, by_rule = amd.explained(names, silicon, engine)
    assert list(ignored["trap"]) == [False, True, False, True]
    assert list(ignored["eip"]) == [True, False, False, True]
    assert list(by_rule["4 GiB"]) == [False, True, False, False] and list(by_rule["x87 stores"]) == [False] * 3 + [True]
    assert not by_rule["LOCK MOV CR0"].any()
    engine["fx"][3, 2] = 0                                      # nothing pending: then the fault is missing
    assert not amd.explained(names, silicon, engine)[0]["trap"][3]
