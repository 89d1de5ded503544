"""Build of the Cython extensions: every qemu_py/_core/**/*.pyx is one.

Environment:
    QEMU_PY_CHECKED=1       bounds checks, assertions, the IR verifier on every TB
    QEMU_PY_JOBS=N          compilers at a time (default: one a processor)
    QEMU_PY_ONLY=a,b        only the modules whose names end so (a quick rebuild)
"""
import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
CHECKED = os.environ.get("QEMU_PY_CHECKED", "0") not in ("", "0")
JOBS = int(os.environ.get("QEMU_PY_JOBS") or len(os.sched_getaffinity(0)))
ONLY = [n for n in os.environ.get("QEMU_PY_ONLY", "").split(",") if n]

# The interpreter's ops reach each other by tail calls, which need the optimiser; the type-punned
# register file needs -fno-strict-aliasing. Two fields stored as one vector cannot be forwarded to the
# loads that follow at once: segment caches, frames (-fno-tree-slp-vectorize).
CFLAGS = ["-O2", "-g0", "-fno-strict-aliasing", "-fwrapv", "-fno-semantic-interposition",
          "-foptimize-sibling-calls", "-fno-inline-functions-called-once",
          "-fno-stack-protector", "-fno-math-errno", "-fno-tree-slp-vectorize", "-w"]
if os.uname().machine == "x86_64":
    CFLAGS += ["-fcf-protection=none", "-mssse3"]
if CHECKED:
    CFLAGS += ["-DQEMU_PY_CHECKED=1"]

DIRECTIVES = {"language_level": 3, "boundscheck": CHECKED, "wraparound": False, "cdivision": True,
              "initializedcheck": False, "nonecheck": False, "embedsignature": True,
              "legacy_implicit_noexcept": False, "freethreading_compatible": False}


class parallel_build_ext(build_ext):
    """build_ext with -j by default."""

    def finalize_options(self):
        super().finalize_options()
        if self.parallel is None:
            self.parallel = JOBS


def extensions():
    for path in sorted((ROOT / "qemu_py/_core").rglob("*.pyx")):
        source = path.relative_to(ROOT)
        name = ".".join(source.with_suffix("").parts)
        if ONLY and not any(name.endswith(end) for end in ONLY):
            continue
        yield Extension(name, [str(source)], extra_compile_args=CFLAGS, language="c")


if __name__ == "__main__":
    os.chdir(ROOT)
    setup(
        ext_modules=cythonize(list(extensions()), compiler_directives=DIRECTIVES, nthreads=JOBS,
                              build_dir="build/cython", quiet=True),
        cmdclass={"build_ext": parallel_build_ext},
    )
