#!/usr/bin/env python3
"""Writes everything that follows from protocol/*.toml: C++ structs, Dart classes, docs/PROTOCOL.md.

protocol/generate.py           writes the files
protocol/generate.py --check   exits with 1 and names the files that are not up to date
"""

import argparse
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import emit_cpp
import emit_dart
import emit_dart_test
import emit_docs
import schema

ROOT = Path(__file__).resolve().parent.parent


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    try:
        protocol = schema.load(ROOT / "protocol")
    except (schema.SchemaError, TypeError, KeyError, OSError, ValueError) as error:
        sys.exit(f"protocol: {error}")
    stale = []
    for emitter in (emit_cpp, emit_dart, emit_dart_test, emit_docs):
        for name, text in emitter.emit(protocol).items():
            path = ROOT / name
            if path.exists() and path.read_text(encoding="utf-8") == text:
                continue
            stale.append(name)
            if not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"{'stale' if check else 'wrote'}: {name}")
    if check and stale:
        sys.exit("Run protocol/generate.py.")


if __name__ == "__main__":
    main()
