"""The profiler's core: exact counts are exact under every engine, samples name the loop, neither changes what the guest does."""
import pytest

from qemu_py import CPU
from qemu_py._core.profile import GuestProfile, cache_counters

CODE, STACK, RAM = 0x1000, 0x8000, 1 << 20
TIERS = pytest.mark.parametrize("tier", (None, 0, 1, 5))
TURNS = 1000
# mov ecx, 1000; L: add eax, 3; xor eax, ebx; dec ecx; jnz L; hlt
LOOP = b"\xb9" + TURNS.to_bytes(4, "little") + bytes.fromhex("83c003" "31d8" "49" "75f8" "f4")
FOREVER = bytes.fromhex("83c003" "31d8" "eb f9")        # L: add eax, 3; xor eax, ebx; jmp L


def cpu_with(code, tier, **options):
    cpu = CPU("qemu32", ram=RAM, tier=tier, **options)
    cpu.write(CODE, code)
    cpu.eip, cpu.esp = CODE, STACK
    return cpu


def counted(cpu, **run):
    """(the result, {pc: runs}, instructions counted) of a run."""
    profile = GuestProfile([cpu], exact=True)
    profile.start()
    result = cpu.run(**run)
    profile.stop()
    runs, instructions = {}, 0
    for pc, _, _, _, _, icount, _, n, unrun, _, _ in profile.blocks():
        runs[pc] = runs.get(pc, 0) + n
        instructions += n * icount - unrun
    return result, runs, instructions


@TIERS
def test_a_loop_of_known_length_is_counted_exactly(tier):
    cpu = cpu_with(LOOP, tier)
    result, runs, instructions = counted(cpu)
    assert result.reason == "hlt"
    assert runs == {CODE: 1, CODE + 5: TURNS - 1, CODE + len(LOOP) - 1: 1}     # the first turn is part of the block from CODE on
    assert instructions == result.steps == 2 + 4 * TURNS


@TIERS
def test_instructions_behind_a_fault_are_not_counted(tier):
    # inc eax; inc eax; mov edx, [200000h] (no RAM there); inc eax; hlt
    cpu = cpu_with(bytes.fromhex("40 40 8b1500002000 40 f4"), tier)
    result, runs, instructions = counted(cpu)
    assert result.reason == "unmapped"
    assert runs == {CODE: 1} and instructions == result.steps == 2


@TIERS
def test_code_that_patches_itself_is_counted_and_kept_with_the_bytes_that_ran(tier):
    # again: mov eax, 0 (imm at CODE + 1); add ebx, eax; inc byte [CODE + 1]; loop again; hlt
    code = bytes.fromhex("b800000000" "01c3" "fe0501100000" "e2f1" "f4")
    cpu = cpu_with(code, tier)
    cpu.ecx = 40
    profile = GuestProfile([cpu], exact=True)
    profile.start()
    result = cpu.run()
    profile.stop()
    blocks = profile.blocks()
    assert sum(b[5] * b[7] - b[8] for b in blocks) == result.steps == 4 * 40 + 1
    seen = {b[3][1] for b in blocks if b[0] == CODE and b[3][:1] == b"\xb8"}
    assert seen == set(range(40))


@TIERS
def test_counts_survive_flushes_of_a_small_cache(tier):
    # 20,000 different adds in blocks of 32, around them a loop of three turns
    body = b"".join(b"\x05" + n.to_bytes(4, "little") + (b"\xeb\x00" if n % 32 == 0 else b"") for n in range(20_000))
    code = body + b"\x49\x0f\x85" + (-(len(body) + 7) & 0xFFFFFFFF).to_bytes(4, "little") + b"\xf4"
    cpu = cpu_with(code, tier, tb_size=1 << 18)
    cpu.ecx = 3
    result, runs, instructions = counted(cpu)
    assert result.reason == "hlt" and cpu.counters()["tb_flush_count"] > 2
    assert instructions == result.steps == 3 * (20_000 + 625 + 2) + 1
    assert runs[CODE] == 3


@TIERS
def test_a_profiled_guest_ends_as_any_other(tier):
    plain, exact, sampled = (cpu_with(LOOP, tier) for _ in range(3))
    plain.run()
    counted(exact)
    profile = GuestProfile([sampled], period_ns=20_000)
    profile.start()
    sampled.run()
    profile.stop()
    states = [[getattr(cpu, name) for name in ("eax", "ecx", "eip", "eflags", "insn_count")] for cpu in (plain, exact, sampled)]
    assert states[0] == states[1] == states[2]


@TIERS
def test_after_an_exact_profile_nothing_is_counted_any_more(tier):
    cpu = cpu_with(LOOP, tier)
    counted(cpu)
    cpu.eip = CODE
    cpu.run()
    again = GuestProfile([cpu], exact=True)
    again.start()
    again.stop()
    assert again.blocks() == []


@TIERS
def test_samples_name_the_hot_loop(tier):
    cpu = cpu_with(FOREVER, tier)
    profile = GuestProfile([cpu], period_ns=100_000)
    profile.start()
    for _ in range(600):                                # until there are some: as long as the host needs
        cpu.run(steps=10_000_000)
        if len(profile.samples()) >= 20:
            break
    profile.stop()
    samples = profile.samples()
    assert len(samples) >= 20
    # Where a run of so many steps ends within the loop, the next begins there.
    assert all(CODE <= sample[1] < CODE + 16 for sample in samples) and CODE in {sample[1] for sample in samples}
    assert sum(sample[0] for sample in samples) > 0
    assert {(sample[6], sample[7]) for sample in samples} <= {("guest", 0), ("translator", 0)}


def test_a_sample_has_the_callers_by_frame_pointer():
    # call f; hlt; f: push ebp; mov ebp, esp; call g; g: push ebp; mov ebp, esp; L: jmp L
    code = bytes.fromhex("e801000000" "f4" "5589e5" "e800000000" "5589e5" "ebfe")
    cpu = cpu_with(code, None)
    profile = GuestProfile([cpu], period_ns=100_000)
    profile.start()
    while not any(sample[1] == CODE + 17 for sample in profile.samples()):
        cpu.run(steps=10_000_000)
    profile.stop()
    frames = [sample[8] for sample in profile.samples() if sample[1] == CODE + 17]
    assert frames[0][:2] == (CODE + 14, CODE + 5)       # behind the calls of g and of f


def test_two_profiles_at_a_time_are_refused():
    cpu = cpu_with(LOOP, None)
    first = GuestProfile([cpu], exact=True)
    first.start()
    with pytest.raises(RuntimeError):
        GuestProfile([cpu], exact=True).start()
    first.stop()


def test_exceptions_and_self_modification_are_counted_by_name():
    cpu = cpu_with(bytes.fromhex("cd80 f4"), None)      # int 80h
    assert cpu.run().vector == 0x80
    cpu.run()
    counts = cache_counters(cpu.cache)
    assert counts["exceptions"] == {0x80: 1} and counts["returns"] == {"halt": 1}
