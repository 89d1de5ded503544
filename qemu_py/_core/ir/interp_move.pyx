"""Interpreter functions: Moves between registers (ops/move.tbl)."""
from qemu_py._core.cpu cimport CPUX86State, IROp
from qemu_py._core.ir.interp cimport *
from qemu_py._core.ir.table cimport *
from qemu_py._core.flags cimport check_cond, compute_all, compute_c, set_cc_eflags
from qemu_py._core.cpu cimport CC_C, CC_O

include "../gen/interp_move.pxi"

register_move_ops(op_table())
