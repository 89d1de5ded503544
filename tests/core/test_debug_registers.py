"""The guest's own breakpoints: DR0-DR7 and #DB (SDM vol. 3, 17.2 and 17.3)."""
import pytest

from tests.core.protected import CODE, DATA, DB, HANDLERS, RF, TF, Stage
from tests.guest import asm

BD, BS = 1 << 13, 1 << 14
GD = 1 << 13
L = [1, 4, 16, 64]
EXECUTE, WRITE, ACCESS = 0, 1, 3
LEN = {1: 0, 2: 1, 4: 3}
UD = 6


def dr7(n, kind, size=1):
    return 0x400 | L[n] | (kind | LEN[size] << 2) << (16 + 4 * n)


@pytest.fixture
def stage():
    return Stage()


# ---------------------------------------------------------------- the registers
def test_after_reset(stage):
    assert stage.cpu.dr6 == 0xFFFF0FF0 and stage.cpu.dr7 == 0x400


def test_fixed_bits_of_dr6_and_dr7(stage):
    cpu = stage.ok("mov eax, -1; mov dr6, eax; mov ebx, dr6; mov eax, 0xFFFFDC00; mov dr7, eax; mov ecx, dr7; xor eax, eax; "
                   "mov dr6, eax; mov dr7, eax; mov edx, dr6; mov esi, dr7; hlt")
    assert (cpu.ebx, cpu.ecx, cpu.edx, cpu.esi) == (0xFFFFEFFF, 0xFFFF0400, 0xFFFF0FF0, 0x400)


def test_dr4_and_dr5_are_dr6_and_dr7_unless_cr4_de(stage):
    cpu = stage.ok(b"\x0F\x21\xE3\x0F\x21\xE9\xF4")             # mov ebx, dr4; mov ecx, dr5
    assert (cpu.ebx, cpu.ecx) == (0xFFFF0FF0, 0x400)
    stage.cpu.cr4 = 8
    assert stage.fault(b"\x0F\x21\xE3")[0] == UD


@pytest.mark.parametrize("code", ["mov eax, dr0", "mov dr6, eax", "mov eax, dr7"])
def test_general_detect_guards_all_of_them(stage, code):
    stage.cpu.dr7 = 0x400 | GD
    assert stage.fault(code) == (DB, None, 0)
    assert stage.cpu.dr6 & BD and not stage.cpu.dr7 & GD        # cleared for the handler


# ---------------------------------------------------------------- execution
def test_an_execution_breakpoint_is_a_fault_before_its_instruction(stage):
    stage.cpu.dr0 = CODE + 1
    stage.cpu.dr7 = dr7(0, EXECUTE)
    assert stage.fault("nop; inc eax; hlt") == (DB, None, 1)
    assert stage.cpu.dr6 & 0xF == 1 and not stage.stack(3)[2] & RF


def test_rf_lets_the_handler_go_on(stage):
    stage.cpu.dr0 = CODE + 1
    stage.cpu.dr7 = dr7(0, EXECUTE)
    # the handler sets RF in the image, counts, and returns
    stage.cpu.write(0x6010, asm("inc ecx; or dword ptr [esp+8], 0x10000; iretd", 0x6010))
    cpu = stage.ok("nop; inc ebx; nop; hlt")
    assert (cpu.ecx, cpu.ebx) == (1, 1) and not cpu.eflags & RF


def test_rf_holds_for_one_instruction_alone(stage):
    # the second time round the loop the breakpoint hits again
    stage.cpu.dr0 = CODE + 5
    stage.cpu.dr7 = dr7(0, EXECUTE)
    stage.cpu.write(0x6010, asm("inc ecx; or dword ptr [esp+8], 0x10000; iretd", 0x6010))
    cpu = stage.ok("mov ebx, 3; again: dec ebx; jnz again; hlt")
    assert cpu.ecx == 3


def test_breakpoints_appear_in_code_that_is_already_translated(stage):
    stage.ok("mov eax, 1; mov eax, 2; hlt")
    stage.cpu.dr3 = CODE + 5
    stage.cpu.dr7 = dr7(3, EXECUTE)
    assert stage.fault("mov eax, 1; mov eax, 2; hlt") == (DB, None, 5)
    assert stage.cpu.dr6 & 0xF == 8
    stage.cpu.dr7 = 0x400
    stage.ok("mov eax, 1; mov eax, 2; hlt")


def test_the_guest_sets_its_own_breakpoint(stage):
    code = f"mov eax, {CODE + 0x40}; mov dr1, eax; mov eax, {dr7(1, EXECUTE)}; mov dr7, eax; mov eax, {CODE + 0x40}; jmp eax"
    stage.cpu.write(CODE + 0x40, b"\x90\xF4")
    assert stage.fault(code) == (DB, None, 0x40)


# ---------------------------------------------------------------- data
@pytest.mark.parametrize("kind, code, hit", [
    (WRITE, f"mov [{DATA}], eax", True), (WRITE, f"mov eax, [{DATA}]", False), (ACCESS, f"mov eax, [{DATA}]", True),
    (ACCESS, f"mov [{DATA}], eax", True), (WRITE, f"mov [{DATA + 4}], eax", False), (WRITE, f"mov byte ptr [{DATA + 3}], 1", True),
    (WRITE, f"mov [{DATA - 3}], eax", True), (WRITE, f"add dword ptr [{DATA}], 1", True)])
def test_a_data_breakpoint_is_a_trap_behind_its_instruction(stage, kind, code, hit):
    stage.cpu.dr2 = DATA
    stage.cpu.dr7 = dr7(2, kind, 4)
    length = len(asm(code, CODE))
    if hit:
        assert stage.fault(code + "; nop; hlt") == (DB, None, length)
        assert stage.cpu.dr6 & 0xF == 4
    else:
        stage.ok(code + "; hlt")


def test_a_pushed_value_hits_too(stage):
    stage.cpu.dr0 = 0x9000 - 4
    stage.cpu.dr7 = dr7(0, WRITE, 4)
    assert stage.fault("push eax; nop; hlt") == (DB, None, 1)


@pytest.mark.parametrize("code", ["ud2", "int3"])
def test_the_frame_of_an_exception_hits_before_its_handler_begins(stage, code):
    stage.cpu.dr0 = 0x9000 - 4                                  # EFLAGS of the frame
    stage.cpu.dr7 = dr7(0, WRITE, 4)
    vector = {"ud2": 6, "int3": 3}[code]
    stage.cpu.write(HANDLERS + 16 * vector, asm("inc ecx; inc ecx; hlt", HANDLERS + 16 * vector))
    assert stage.fault(code) == (DB, None, HANDLERS + 16 * vector - CODE)
    assert stage.cpu.ecx == 0 and stage.cpu.dr6 & 0xF == 1


def test_two_breakpoints_on_one_access_both_show_in_dr6(stage):
    stage.cpu.dr1, stage.cpu.dr2 = DATA, DATA + 2
    stage.cpu.dr7 = dr7(1, WRITE, 2) | dr7(2, WRITE, 2)
    assert stage.fault(f"mov [{DATA}], eax; nop; hlt")[0] == DB
    assert stage.cpu.dr6 & 0xF == 6


def test_local_and_global_enables_both_count(stage):
    stage.cpu.dr0 = DATA
    stage.cpu.dr7 = (dr7(0, WRITE, 4) & ~1) | 2
    assert stage.fault(f"mov [{DATA}], eax; hlt")[0] == DB


# ---------------------------------------------------------------- single step and its neighbours
def test_single_step_sets_bs(stage):
    stage.run("nop; nop; hlt", eflags=2 | TF)
    assert stage.vector() == DB and stage.cpu.dr6 & BS and stage.stack(1) == [CODE + 1]


def test_popf_that_clears_tf_still_traps_behind_itself(stage):
    stage.run("push 2; popfd; nop; hlt", eflags=2, steps=1)
    stage.cpu.eflags = 2 | TF
    stage.result = stage.cpu.run(steps=5)
    assert stage.vector() == DB and stage.stack(1) == [CODE + 3]


def test_mov_ss_holds_the_trap_back_for_one_instruction(stage):
    stage.run("mov eax, 0x10; mov ss, eax; nop; nop; hlt", steps=1)
    stage.cpu.eflags = 2 | TF
    stage.result = stage.cpu.run(steps=5)
    assert stage.vector() == DB and stage.stack(1) == [CODE + 8]
