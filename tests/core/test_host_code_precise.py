"""Host code is precise: faults, interrupts, single steps, breakpoints and watchpoints leave the CPU as the interpreter does,
before or behind the very instruction."""
import struct

import pytest

from qemu_py._core import cpu_face
from qemu_py.machine.icount import ICountOptions
from tests.core.protected import DATA, HANDLERS, Stage
from tests.guest import asm, cpu_with
from tests.machines import EXIT
from tests.paging import Tables
from tests.systems.test_row41_single_loop import timer_guest

INTERPRETER, HOST = None, 0
CODE = 0x1000
REGISTERS = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip", "eflags")
PF, GP, DE = 14, 13, 0
# Flags that come from several kinds of instruction, over blocks: a loop that never settles
BUSY = "add ebx, 0x1234567; adc ecx, ebx; shl edx, 3; jc over; xor ecx, edx; over: inc edx; jp skip; sub edx, ecx; skip: sbb ebx, edx; ror ecx, 5"


def state(cpu):
    return {name: cpu.get(name) for name in REGISTERS}


def both(scenario):
    """A scenario under each engine; host code must have been made."""
    seen = []
    for tier in (INTERPRETER, HOST):
        result, cpu = scenario(tier)
        assert (cpu.counters()["host_count"] > 0) == (tier is HOST)
        seen.append(result)
    assert seen[0] == seen[1]
    return seen[0]


# ---------------------------------------------------------------- faults
@pytest.mark.parametrize("access", ["mov eax, [esi]", "mov [esi], eax", "add [esi], ebx", "adc ebx, [esi]", "push dword ptr [esi]", "cmp [esi], ecx",
                                    "inc dword ptr [esi]", "movzx eax, word ptr [esi]", "sbb byte ptr [esi], 3", "imul ebx, [esi]"])
@pytest.mark.parametrize("producer", ["add ebx, ecx", "sub ecx, 77", "shl edx, 3", "inc edx", "dec ebx", "xor eax, ebx", "sar ebx, 1", "neg ecx"])
def test_a_fault_in_the_middle_of_a_block_restores_eip_and_flags(producer, access):
    """A loop that walks into a page that is not there; each round the flags are others."""
    def scenario(tier):
        cpu = cpu_with((CODE, f"again: {producer}; lea esi, [esi + 4]; {access}; loop again; hlt"), tier=tier)
        tables = Tables(cpu)
        for page in range(0, 0x100000, 0x1000):
            if page != 0x41000:
                tables.map(page, page)
        tables.enable()
        cpu.esi, cpu.ecx, cpu.ebx, cpu.edx, cpu.eax = 0x40FC0, 100, 0x87654321, 0x12345678, 5
        result = cpu.run()
        return (result.reason, result.vector, result.error_code, result.cr2, result.steps, state(cpu)), cpu
    outcome = both(scenario)
    assert outcome[:2] == ("exception", PF) and outcome[3] == 0x41000


# {}: what faults; between them pushes, pops and what else moves or reads ESP
STACKS = {
    "pushes": "push eax; push ebx; {} push 7; mov edx, [esp + 4]; sub esp, 8; {} push edx; mov [esp + 4], ecx; {} add esp, 24",
    "pops": "sub esp, 12; pop ebx; {} pop edx; lea eax, [esp + 8]; {} pop ebp; {} add ebx, eax",
    "ESP itself": "push esp; {} pop ebx; push ebp; mov ebp, esp; push ebx; {} xor eax, esp; leave; sub esp, 4; {} mov [esp], esi; lea esp, [esp + 4]",
    "bits": "push eax; bts dword ptr [esi], esp; {} pop ebx; btr dword ptr [esi + 4], esp; {} push ecx; {} add esp, 4",
    "floats and strings": "push eax; fild dword ptr [esp]; {} push ebx; fistp dword ptr [esp + 4]; {} push esi; mov esi, [esp + 8]; lodsb; pop esi; {} add esp, 8",
    "calls": "push eax; {} call next; next: pop edx; {} push edx; ret 0; {} nop",
}


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("fault", ["mov eax, [edi]; ", "push dword ptr [edi]; pop eax; ", "add [edi], ecx; "])
@pytest.mark.parametrize("stack", STACKS)
def test_a_fault_between_pushes_and_pops_restores_esp(stack, fault, place):
    """EDI walks into a page that is not there."""
    body = STACKS[stack].format(*(fault if n == place else "" for n in range(3)))
    if stack == "calls":
        body = body.replace("ret 0; " + (fault if place == 2 else ""), "add edx, over - next; mov [esp], edx; ret; over: " + (fault if place == 2 else ""))

    def scenario(tier):
        cpu = cpu_with((CODE, f"again: {body}; add edi, 4; loop again; hlt"), tier=tier)
        tables = Tables(cpu)
        for page in range(0, 0x100000, 0x1000):
            if page != 0x41000:
                tables.map(page, page)
        tables.enable()
        cpu.edi, cpu.ecx, cpu.ebx, cpu.eax, cpu.esi = 0x40FC0, 100, 0x87654321, 0x2000, 0x3000
        result = cpu.run()
        return (result.reason, result.vector, result.error_code, result.cr2, result.steps, state(cpu), cpu.read(0, 0x100000)), cpu
    outcome = both(scenario)
    assert outcome[:2] == ("exception", PF) and outcome[3] == 0x41000


@pytest.mark.parametrize("esp", [0x42004, 0x42008, 0x4200C, 0x42010, 0x41FFC, 0x40FF8])
@pytest.mark.parametrize("body", ["push eax; push ebx; push ecx; push edx; add esp, 16", "sub esp, 8; push eax; pop ebx; pop edx; pop edx",
                                  "mov [esp - 4], eax; pop ebx; pop edx; sub esp, 8"])
def test_a_stack_that_runs_into_a_page_that_is_not_there(esp, body):
    def scenario(tier):
        cpu = cpu_with((CODE, f"again: {body}; sub esp, 4; loop again; hlt"), tier=tier)
        tables = Tables(cpu)
        for page in range(0, 0x100000, 0x1000):
            if page != 0x41000:
                tables.map(page, page)
        tables.enable()
        cpu.esp, cpu.ecx = esp + 40, 60
        result = cpu.run(steps=1000)
        return (result.reason, result.vector, result.error_code, result.cr2, result.steps, state(cpu), cpu.read(0x40000, 0x3000)), cpu
    both(scenario)


def test_a_division_that_faults_leaves_all_as_before_it():
    def scenario(tier):
        cpu = cpu_with((CODE, "again: sub ecx, 1; xor edx, edx; add eax, 99; div ecx; jmp again"), tier=tier)
        cpu.ecx = 50
        result = cpu.run()
        return (result.vector, result.steps, state(cpu)), cpu
    assert both(scenario)[0] == DE


def test_a_limit_that_is_passed_in_the_middle_of_a_block():
    def scenario(tier):
        cpu = cpu_with((CODE, "again: add ebx, ecx; mov [edi], ebx; add edi, 4; rcl ebx, 1; loop again"), tier=tier)
        cpu.load_segment("ds", 0x10, DATA, 0x7F, 0x409300)
        cpu.ecx, cpu.edi, cpu.ebx = 100, 0, 1 << 31
        result = cpu.run()
        return (result.vector, result.error_code, result.steps, state(cpu), cpu.read(DATA, 0x100)), cpu
    assert both(scenario)[0] == GP


# ---------------------------------------------------------------- interrupts
@pytest.mark.parametrize("divisor", [100, 1193])
def test_timer_interrupts_come_at_the_same_instruction_under_icount(make_machine, divisor):
    """EIP, EFLAGS, EBX and the time stamp of each interrupt; and how long it all took."""
    ticks, size = 60, 16
    record = "mov eax, [esp]; stosd; mov eax, [esp + 8]; stosd; mov eax, ebx; stosd; push edx; rdtsc; stosd; pop edx"

    def scenario(tier):
        machine = make_machine(timer_guest(ticks, divisor, BUSY, record, size), devices=EXIT, icount=ICountOptions(3, False), rtc_clock="vm", tier=tier)
        assert machine.run() == 3
        return (machine.memory.address_space_memory.read(0x300000, size * ticks), machine.clocks.vm.get_ns(),
                machine.cpus[0].insn_count), machine.cpus[0]
    seen = both(scenario)[0]
    places = {struct.unpack_from("<I", seen, size * n)[0] for n in range(ticks)}
    assert len(places) > 4                      # all over the loop


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 13, 50, 1001])
def test_an_nmi_after_any_number_of_steps_finds_the_same_state(steps):
    def scenario(tier):
        stage = Stage(tier=tier)
        stage.cpu.write(HANDLERS + 32, asm("push eax; mov eax, [esp + 4]; pop eax; iretd", HANDLERS + 32))
        stage.run(f"again: {BUSY}; jmp again", steps=100)
        seen = []
        for _ in range(20):
            stage.cpu.run(steps=steps)
            stage.cpu.interrupt(cpu_face.INTERRUPT_NMI)
            stage.cpu.run(steps=1)
            seen.append((state(stage.cpu), stage.stack(4)))
        return seen, stage.cpu
    both(scenario)


# ---------------------------------------------------------------- debuggers
def test_single_steps_through_compiled_code():
    def scenario(tier):
        cpu = cpu_with((CODE, f"again: {BUSY}; jmp again"), tier=tier)
        cpu.run(steps=200)
        seen = []
        for _ in range(60):
            assert cpu.single_step() == cpu_face.EXIT_DEBUG
            seen.append(state(cpu))
        cpu.run(steps=200)
        return seen + [state(cpu)], cpu
    both(scenario)


def test_a_breakpoint_in_the_middle_of_a_compiled_block_is_met_each_round():
    code = asm(f"again: {BUSY}; jmp again", CODE)
    middle = CODE + len(asm("add ebx, 0x1234567; adc ecx, ebx", CODE))

    def scenario(tier):
        cpu = cpu_with((CODE, code), tier=tier)
        cpu.run(steps=200)
        seen = []
        for _ in range(10):
            result = cpu.run(until=middle)
            seen.append((result.reason, result.steps, state(cpu)))
        cpu.run(steps=200)                      # and away with it
        return seen + [state(cpu)], cpu
    seen = both(scenario)
    assert all(reason == "until" and after["eip"] == middle for reason, _, after in seen[:-1])


@pytest.mark.parametrize("access, read", [("mov [0x3000], ebx", False), ("add [0x3000], ebx", False), ("mov eax, [0x3000]", True),
                                          ("inc byte ptr [0x3002]", False), ("push dword ptr [0x3000]", True)])
def test_a_watchpoint_set_after_the_block_was_compiled_stops_behind_the_access(access, read):
    def scenario(tier):
        cpu = cpu_with((CODE, f"again: inc ecx; {access}; add ebx, ecx; mov esp, 0x80000; jmp again"), tier=tier)
        cpu.run(steps=100)
        assert cpu.watchpoint_hit() is None
        cpu.watchpoint_insert(0x3000, 4, read=read)
        seen = []
        for _ in range(4):
            result = cpu.run(steps=1000)
            seen.append((result.reason, result.steps, cpu.watchpoint_hit(), state(cpu)))
        cpu.watchpoint_remove(0x3000)
        seen.append((cpu.run(steps=100).reason, state(cpu)))
        return seen, cpu
    seen = both(scenario)
    behind = CODE + len(asm(f"inc ecx; {access}", CODE))
    assert all(reason == "until" and after["eip"] == behind for reason, _, _, after in seen[:-1]) and seen[-1][0] == "steps"


def test_the_guest_s_own_data_breakpoint_set_while_its_loop_is_hot():
    def scenario(tier):
        stage = Stage(tier=tier)
        stage.run(f"again: inc ecx; mov [{DATA}], ecx; cmp ecx, 40; jne on; mov eax, {DATA}; mov dr0, eax; mov eax, 0xD0402; mov dr7, eax; on: "
                  "add ebx, ecx; jmp again", steps=1000)
        return (stage.vector(), stage.stack(3), state(stage.cpu), stage.cpu.dr6), stage.cpu
    vector, stack, after, dr6 = both(scenario)
    behind = 0x10000 + len(asm(f"inc ecx; mov [{DATA}], ecx", 0x10000))          # Stage starts there
    assert vector == 1 and after["ecx"] == 41 and dr6 & 15 == 1 and stack[0] == behind
