"""Interpreter functions: Loads, stores and the stack (ops/mem.tbl)."""
from qemu_py._core.cpu cimport CPUX86State, IROp
from qemu_py._core.ir.interp cimport *
from qemu_py._core.ir.table cimport *
from qemu_py._core.flags cimport check_cond
from qemu_py._core.softmmu cimport *
from qemu_py._core.x86.stack cimport (leave_ld16, leave_ld32, leave_sp, push16_any, push32_any, stack_add,
                                      stack_ld16, stack_ld32)

include "../gen/interp_mem.pxi"

register_mem_ops(op_table())
