"""Interpreter functions: Arithmetic and logic (ops/alu.tbl)."""
from qemu_py._core.cpu cimport CPUX86State, IROp
from qemu_py._core.ir.interp cimport *
from qemu_py._core.ir.table cimport *
from qemu_py._core.flags cimport compute_c, parity_even
from qemu_py._core.cpu cimport (CC_A, CC_O, CC_OP_ADC, CC_OP_ADD, CC_OP_LOGIC, CC_OP_RES, CC_OP_SBB, CC_OP_SUB)
from qemu_py._core.softmmu cimport *

include "../gen/interp_alu.pxi"

register_alu_ops(op_table())
