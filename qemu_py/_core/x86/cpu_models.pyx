"""CPU models: CPUID and the instruction set that goes with it.

Source: Intel AP-485 (processor identification: signatures, feature flags, cache descriptors); CPUID in SDM
vol. 2. A model is a list of features by name; a feature is a CPUID bit and, where it decides what
decodes or which CR4 bits and MSRs exist, a CPUF_* bit.
"""
from libc.stdint cimport uint32_t
from qemu_py._core.cpu cimport (
    CPUX86State, CPUF_586, CPUF_686, CPUF_SEP, CPUF_MMX, CPUF_FXSR, CPUF_SSE, CPUF_SSE2, CPUF_SSE3, CPUF_SSSE3,
    CPUF_CX8, CPUF_TSC, CPUF_MSR, CPUF_VME, CPUF_PSE, CPUF_PAE, CPUF_PGE, CPUF_DE, CPUF_NX, CPUF_PAT, CPUF_MTRR,
    CPUF_APIC, CPUF_CLFSH, CPUF_PSE36, CPUF_FPU, CPUF_CPUID, CPUF_MCE)

from qemu_py.util.errors import UserError
from qemu_py.util.suggest import no_such

# name: (CPUID register, bit, CPUF_* or 0). "d", "c": leaf 1 EDX, ECX; "x": leaf 80000001h EDX.
FEATURES = {
    "fpu": ("d", 0, CPUF_FPU),
    "vme": ("d", 1, CPUF_VME),
    "de": ("d", 2, CPUF_DE),
    "pse": ("d", 3, CPUF_PSE),
    "tsc": ("d", 4, CPUF_TSC),
    "msr": ("d", 5, CPUF_MSR),
    "pae": ("d", 6, CPUF_PAE),
    "mce": ("d", 7, CPUF_MCE),
    "cx8": ("d", 8, CPUF_CX8),
    "apic": ("d", 9, CPUF_APIC),
    "sep": ("d", 11, CPUF_SEP),
    "mtrr": ("d", 12, CPUF_MTRR),
    "pge": ("d", 13, CPUF_PGE),
    "mca": ("d", 14, 0),
    "cmov": ("d", 15, 0),
    "pat": ("d", 16, CPUF_PAT),
    "pse36": ("d", 17, CPUF_PSE36),
    "clflush": ("d", 19, CPUF_CLFSH),
    "mmx": ("d", 23, CPUF_MMX),
    "fxsr": ("d", 24, CPUF_FXSR),
    "sse": ("d", 25, CPUF_SSE),
    "sse2": ("d", 26, CPUF_SSE2),
    "sse3": ("c", 0, CPUF_SSE3),
    "ssse3": ("c", 9, CPUF_SSSE3),
    "hypervisor": ("c", 31, 0),
    "nx": ("x", 20, CPUF_NX),
}

PENTIUM = "fpu vme de pse tsc msr mce cx8 apic"
P6 = PENTIUM + " pae sep mtrr pge mca cmov pat pse36"
# Leaf 2 of a P6 with 16 KiB + 16 KiB first-level and 512 KiB second-level caches.
P6_CACHE = (0x03020101, 0, 0, 0x0C040843)


class Model:
    """One row of the table: signature (CPUID.1 EAX), last basic leaf, features, brand string."""

    def __init__(self, description, signature, level, family, features, cache=(0, 0, 0, 0), brand=""):
        self.description = description
        self.signature = signature
        self.level = level
        self.family = family
        self.features = frozenset(features.split())
        self.cache = cache
        self.brand = brand


MODELS = {
    "486": Model("Intel 486 DX4", 0x480, 1, 4, "fpu vme"),
    "pentium": Model("Intel Pentium MMX", 0x543, 1, 5, PENTIUM + " mmx"),
    "pentium2": Model("Intel Pentium II", 0x652, 2, 6, P6 + " mmx fxsr", P6_CACHE),
    "pentium3": Model("Intel Pentium III", 0x673, 2, 6, P6 + " mmx fxsr sse", P6_CACHE),
    "qemu32": Model("32-bit CPU with all that qemu_py has but NX and SSSE3", 0x633, 2, 6,
                    P6 + " mmx fxsr sse sse2 sse3 clflush hypervisor", P6_CACHE,
                    "qemu_py Virtual CPU version 1.0"),
}
DEFAULT_MODEL = "qemu32"


def cpu_models():
    """{name: description}, as `-cpu help` lists them."""
    return {name: model.description for name, model in MODELS.items()}


def parse_model(str spec):
    """Model and set of feature names of "model,+feature,-feature"."""
    name, *changes = spec.split(",")
    if name not in MODELS:
        raise UserError(f"unknown CPU model {name!r}; -cpu help lists them ({', '.join(MODELS)})")
    features = set(MODELS[name].features)
    for change in changes:
        feature = change[1:]
        if change[:1] not in ("+", "-") or feature not in FEATURES:
            raise UserError(f"-cpu {spec}: write +FEATURE or -FEATURE, not '{change}': {no_such('feature', feature or change, list(FEATURES))}")
        if change[0] == "+":
            features.add(feature)
        else:
            features.discard(feature)
    return MODELS[name], features


cdef int cpu_x86_register(CPUX86State *env, str spec) except -1:
    model, features = parse_model(spec)
    cdef uint32_t flags = CPUF_CPUID
    cdef dict registers = {"d": 0, "c": 0, "x": 0}
    cdef int i
    for feature in features:
        register, bit, cpuf = FEATURES[feature]
        registers[register] |= 1 << bit
        flags |= <uint32_t> cpuf
    if model.family >= 5:
        flags |= CPUF_586
    if model.family >= 6:
        flags |= CPUF_686
    env.features = flags
    env.cpuid_level = model.level
    env.cpuid_version = model.signature
    vendor = b"GenuineIntel"
    for i in range(3):
        env.cpuid_vendor[i] = int.from_bytes(vendor[4 * i:4 * i + 4], "little")
    env.cpuid_features = registers["d"]
    env.cpuid_ext_features = registers["c"]
    env.cpuid_ext2_features = registers["x"]
    env.cpuid_xlevel = 0x80000004U if model.brand else 0x80000001U if registers["x"] else 0
    brand = model.brand.encode("ascii").ljust(48, b"\0")
    for i in range(12):
        env.cpuid_model[i] = int.from_bytes(brand[4 * i:4 * i + 4], "little")
    for i in range(4):
        env.cpuid_cache[i] = model.cache[i]
    return 0
