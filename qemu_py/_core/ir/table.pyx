"""The op table at run time (table.pxd)."""

cdef OpInfo _table[NB_OPS]


cdef OpInfo *op_table() noexcept nogil:
    return _table


cdef void set_op(OpInfo *t, int opc, op_fn fn, const char *name, uint32_t props, uint16_t nf,
                 uint16_t g, uint16_t bd) noexcept:
    t[opc].fn = fn
    t[opc].name = name
    t[opc].props = props
    t[opc].nf = nf
    t[opc].g = g
    t[opc].bd = bd


cdef int check_build(int ops_hash) except -1:
    if ops_hash != OPS_HASH:
        raise ImportError("extension modules of different builds; build them all: python setup.py build_ext --inplace")
    return 0


def ops():
    """{name: (number, properties)} of every registered op."""
    cdef int i
    return {_table[i].name.decode(): (i, _table[i].props) for i in range(1, NB_OPS) if _table[i].fn != NULL}


def missing():
    """Numbers of ops that no module registered."""
    cdef int i
    return [i for i in range(1, NB_OPS) if _table[i].fn == NULL]
