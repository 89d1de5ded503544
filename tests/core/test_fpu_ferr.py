"""x87 errors without CR0.NE: FERR#, IRQ 13, IGNNE# (SDM vol. 1, appendix D)."""
import mmap

import pytest

from qemu_py._core.cpu_face import EXIT_HLT, EXIT_INTERRUPT, VCPU
from qemu_py._core.dispatch import PhysMap

CODE, DATA = 0x1000, 0x800
CR0_NE = 0x20
# real mode: fninit; fldcw [800h]; fld1; fldz; fdivp; then what waits
DIVIDE = b"\xDB\xE3\xD9\x2E\x00\x08\xD9\xE8\xD9\xEE\xDE\xF9"
UNMASKED_ZERO_DIVIDE = b"\x7B\x03"
FNOP, FNCLEX, HLT = b"\xD9\xD0", b"\xDB\xE2", b"\xF4"
FILD = b"\xDF\x06\x00\x08"


@pytest.fixture
def board():
    """A CPU in real mode, and the list of FERR#'s assertions."""
    class Board:
        def __init__(self):
            self.ram = mmap.mmap(-1, 1 << 16)
            self.physmap = PhysMap()
            self.physmap.add_ram(0, self.ram)
            self.physmap.map_ram(0, 1 << 16, 0)
            self.errors = []
            self.physmap.ferr = lambda: self.errors.append("ferr")
            self.cpu = VCPU("pentium3", self.physmap)
            self.ram[DATA:DATA + 2] = UNMASKED_ZERO_DIVIDE

        def run(self, *code):
            code = b"".join(code) + HLT
            self.ram[CODE:CODE + len(code)] = code
            self.cpu.tb_flush()
            self.cpu.halted = False
            self.cpu.cs, self.cpu.ds, self.cpu.eip = 0, 0, CODE
            return self.cpu.exec()
    return Board()


def test_the_cpu_stands_before_the_next_waiting_instruction_with_ferr_asserted(board):
    assert board.run(DIVIDE, FNOP) == EXIT_INTERRUPT
    assert board.cpu.eip == CODE + len(DIVIDE)
    assert board.errors
    assert board.cpu.exec() == EXIT_INTERRUPT
    assert board.cpu.eip == CODE + len(DIVIDE)


def test_no_error_is_signalled_before_an_instruction_waits(board):
    assert board.run(DIVIDE) == EXIT_HLT
    assert not board.errors


def test_ignne_lets_the_x87_go_on(board):
    board.run(DIVIDE, FNOP, FILD, FNOP)
    board.cpu.ignne()
    assert board.cpu.exec() == EXIT_HLT


def test_ignne_ends_when_the_exception_is_cleared(board):
    board.run(DIVIDE, FNOP, FNCLEX)
    board.cpu.ignne()
    assert board.cpu.exec() == EXIT_HLT
    board.errors.clear()
    assert board.run(DIVIDE, FNOP) == EXIT_INTERRUPT
    assert board.errors


def test_ignne_without_an_error_does_nothing(board):
    board.cpu.ignne()
    assert board.run(DIVIDE, FNOP) == EXIT_INTERRUPT


def test_with_ne_the_error_is_an_exception_and_ferr_stays_away(board):
    board.cpu.cr0 |= CR0_NE
    board.ram[16 * 4:16 * 4 + 4] = b"\x00\x20\x00\x00"          # vector 16: 0000:2000
    board.ram[0x2000:0x2001] = HLT
    board.cpu.esp = 0x4000
    assert board.run(DIVIDE, FNOP) == EXIT_HLT
    assert board.cpu.eip == 0x2001
    assert not board.errors
