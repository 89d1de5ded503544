"""When interrupts are taken: IF, the shadow of STI and of loads of SS, HLT, NMI (SDM vol. 3, 6.8)."""
import pytest

from tests.core.protected import (A_DATA, CODE, CODE0, DATA, DATA0, FREE, HANDLERS, IF, STACK0, Stage, descriptor, sequence)

VECTOR = 0x20
NMI = 2


@pytest.fixture(params=[True, False], ids=["counted", "uncounted"])
def stage(request):
    def on_port(port, size, write, value):
        if write:
            (raise_nmi if port == 0x41 else raise_interrupt)(stage)
        return 0

    stage = Stage(on_port=on_port, counted=request.param)
    stage.acknowledged = 0

    def acknowledge():
        from qemu_py._core.cpu_face import INTERRUPT_HARD
        stage.acknowledged += 1
        stage.cpu.interrupt(INTERRUPT_HARD, False)
        return VECTOR

    stage.cpu.physmap.pic_interrupt = acknowledge
    return stage


def raise_interrupt(stage):
    from qemu_py._core.cpu_face import INTERRUPT_HARD
    stage.cpu.interrupt(INTERRUPT_HARD)


def raise_nmi(stage):
    from qemu_py._core.cpu_face import INTERRUPT_NMI
    stage.cpu.interrupt(INTERRUPT_NMI)


def interrupted_at(stage):
    assert stage.vector() == VECTOR, (stage.result.reason, hex(stage.cpu.eip))
    return stage.stack(1)[0] - CODE


# The device raises INTR in an OUT.
@pytest.mark.parametrize("code, at", [
    ("out 0x40, al; nop; sti; nop; cli; hlt", 5), ("out 0x40, al; sti; hlt", 4), ("out 0x40, al; sti; sti; nop; hlt", 4),
    ("out 0x40, al; push 0x202; popfd; nop; hlt", 8), ("sti; nop; out 0x40, al; nop; hlt", 4)])
def test_where_an_interrupt_is_taken(stage, code, at):
    stage.run(code)
    if stage.vector() is None:
        assert stage.result.reason == "hlt"
        stage.result = stage.cpu.run(steps=20)      # HLT ends by the interrupt
    assert interrupted_at(stage) == at
    assert stage.acknowledged == 1 and not stage.cpu.eflags & IF


def test_with_if_clear_nothing_is_taken(stage):
    stage.run("out 0x40, al; nop; nop; hlt")
    assert stage.vector() is None and stage.acknowledged == 0


def test_iret_opens_interrupts_at_once(stage):
    stage.run(f"out 0x40, al; push 0x202; push {CODE0}; push {CODE + 0x20}; iretd")
    assert interrupted_at(stage) == 0x20


def test_an_interrupt_between_mov_ss_and_mov_esp_waits(stage):
    # STI's shadow lets MOV SS run, MOV SS' own lets MOV ESP run
    stage.set_gdt(FREE, descriptor(0, 0xFFFFF, A_DATA, 0xC))
    stage.run(f"mov eax, {FREE}; out 0x40, al; sti; mov ss, eax; mov esp, 0xC000; nop; nop; hlt")
    assert interrupted_at(stage) == 5 + 2 + 1 + 2 + 5 and stage.cpu.esp == 0xC000 - 12


def test_a_stack_of_another_kind_is_loaded_under_the_shadow(stage):
    # SS changes its base and width: the code behind it is translated anew, and still runs in one go
    stage.set_gdt(FREE, descriptor(DATA, 0xFFFF, A_DATA, 0))
    cpu = stage.ok(sequence(f"mov eax, {FREE}; mov ss, eax; mov esp, 0x8000; push eax", b"\x17", "push 0x77; hlt"))
    assert cpu.esp == 0x7FFC and stage.get32(DATA + 0x7FFC) == 0x77


def test_code_behind_sti_and_mov_ss_runs_on(stage):
    cpu = stage.ok(f"mov esi, {DATA0}; mov ecx, 100; xor edx, edx; again: cli; inc ebx; sti; inc edx; mov ss, esi; inc edi; loop again; hlt")
    assert cpu.ebx == cpu.edx == cpu.edi == 100


def test_nmi_is_taken_whatever_if_says(stage):
    stage.cpu.write(HANDLERS + 16 * NMI, b"\x43\xCF")          # inc ebx; iretd
    stage.run("hlt; hlt")
    raise_nmi(stage)
    stage.cpu.run(steps=10)
    assert (stage.cpu.ebx, stage.cpu.esp, stage.cpu.eip) == (1, STACK0, CODE + 2)


def test_a_second_nmi_waits_for_the_handlers_iret(stage):
    # the handler raises the next one itself, on its first run
    stage.cpu.write(HANDLERS + 16 * NMI, b"\x43\x83\xFB\x01\x75\x04\xE6\x41\x89\xDA\xCF")
    stage.run("hlt; hlt")
    raise_nmi(stage)
    stage.cpu.run(steps=30)
    # the MOV EDX, EBX behind the OUT saw the count of the first run
    assert (stage.cpu.ebx, stage.cpu.edx, stage.cpu.esp) == (2, 1, STACK0)


def test_hlt_goes_on_behind_itself_after_an_interrupt(stage):
    stage.cpu.write(HANDLERS + 16 * VECTOR, b"\x43\xCF")
    stage.run("sti; nop; hlt; inc ecx; hlt")
    assert stage.cpu.eip == CODE + 3
    raise_interrupt(stage)
    stage.result = stage.cpu.run(steps=20)
    assert (stage.cpu.ebx, stage.cpu.ecx, stage.cpu.eip) == (1, 1, CODE + 5)
