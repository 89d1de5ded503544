"""The architecture as a test: imports only point down the list of layers, and are absolute.

    util < _core < system < backends < devices < machine < control < cli

_core is stricter still: it imports itself and util, and nothing else of ours.
"""
import ast
import re
from pathlib import Path

import pytest

import qemu_py

ROOT = Path(qemu_py.__file__).parent
LAYERS = ["util", "_core", "system", "backends", "devices", "machine", "control", "cli"]
# Modules that lie in the package itself
TOP = {"cli": "cli", "__main__": "cli", "options": "control", "__init__": "cli"}
SOURCES = sorted(path for suffix in ("*.py", "*.pyx", "*.pxd", "*.pxi") for path in ROOT.rglob(suffix))
CYTHON_IMPORT = re.compile(r"^\s*(?:from\s+(\.*[\w.]*)\s+c?import\s+(\(?[\w\s,.*]+)|c?import\s+([\w.,\s]+?)(?:\s+as\s+\w+)?\s*(?:#.*)?$)")


def layer(module):
    """Index of a dotted module's layer; None: not ours."""
    parts = module.split(".")
    if parts[0] != "qemu_py":
        return None
    name = parts[1] if len(parts) > 1 else "__init__"
    return LAYERS.index(TOP.get(name, name))


def module_of(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def python_imports(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name
        elif isinstance(node, ast.ImportFrom):
            yield from from_import("." * node.level + (node.module or ""), [n.name for n in node.names])


def from_import(module, names):
    if module == "qemu_py":             # from qemu_py import devices
        for name in names:
            yield f"{module}.{name}" if not name.startswith("__") else module
    else:
        yield module


def cython_imports(text):
    for line in text.splitlines():
        m = CYTHON_IMPORT.match(line)
        if m and m[1] is not None:
            yield from from_import(m[1], [n.strip(" (") for n in m[2].split(",")])
        elif m:
            for name in m[3].split(","):
                yield name.strip()


def imports(path):
    text = path.read_text()
    return list(python_imports(text) if path.suffix == ".py" else cython_imports(text))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path):
    own = layer(module_of(path))
    for name in imports(path):
        assert not name.startswith("."), f"{path}: relative import {name}"
        other = layer(name)
        if module_of(path) == "qemu_py":
            continue                    # the package shows what is below it
        assert other is None or other <= own, f"{path}: {name} is above {LAYERS[own]}"


def test_the_core_imports_nothing_but_itself_and_util():
    for path in SOURCES:
        if module_of(path).startswith("qemu_py._core"):
            for name in imports(path):
                assert layer(name) in (None, 0, 1), f"{path}: {name}"


def test_the_reader_of_imports_reads_them():
    assert list(cython_imports("from qemu_py.a.b cimport (C,\n  D)\ncimport cython\nimport os, sys\n")) == [
        "qemu_py.a.b", "cython", "os", "sys"]
    assert list(python_imports("from . import x\nimport qemu_py.cli as c\n")) == [".", "qemu_py.cli"]
