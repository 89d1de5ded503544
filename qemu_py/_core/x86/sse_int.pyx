"""Packed integers in XMM registers (ops/sse_int.tbl; SDM vol. 1, 11.4.2 and 12.6)."""
from qemu_py._core.cpu cimport CPUX86State, IROp
from qemu_py._core.ir.interp cimport *
from qemu_py._core.ir.table cimport *
from qemu_py._core.x86.simd cimport *
from qemu_py._core.x86.sse_mem cimport *

include "../gen/interp_sse_int.pxi"

register_sse_int_ops(op_table())
