"""What the table generators share: write the files, or with --check tell which are out of date."""
import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GEN = ROOT / "qemu_py/_core/gen"


def main(description, generate, command):
    """`generate()` gives {file name in _core/gen: text}."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is out of date")
    args = parser.parse_args()
    stale = []
    for name, text in generate().items():
        path = GEN / name
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if not args.check:
                path.write_text(text)
    if args.check and stale:
        sys.exit(f"out of date: {', '.join(stale)}; run {command}")
