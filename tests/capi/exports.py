#!/usr/bin/env python3
"""The built library exports exactly the names in src/capi/exports.txt; these are the functions that the headers declare,
and the 102 of April 2026 are among them."""

import pathlib
import re
import subprocess
import sys


def declared(header):
    text = re.sub(r"/\*.*?\*/", " ", header.read_text(encoding="utf-8"), flags=re.DOTALL)
    return {match[1] for match in re.finditer(r"^RWKV_(?:MOBILE|BRIDGE)_API [^;(]+?(\w+)\(", text, flags=re.MULTILINE)}


def differ(what, got, wanted):
    for name in sorted(got - wanted):
        print(f"{what}: {name} is too much")
    for name in sorted(wanted - got):
        print(f"{what}: {name} is missing")
    return got != wanted


def main(library, source):
    root = pathlib.Path(source)
    listed = (root / "src/capi/exports.txt").read_text().split()
    april = set((root / "tests/capi/names_april_2026.txt").read_text().split())
    table = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
    exported = {line.split()[-1] for line in table.splitlines()}
    bad = differ("the library", exported, set(listed))
    headers = declared(root / "include/rwkv_mobile.h") | declared(root / "include/rwkv_bridge.h")
    bad |= differ("the headers", headers, set(listed))
    bad |= differ("the names of April 2026", {n for n in listed if n.startswith("rwkvmobile_")}, april)
    if listed != sorted(listed) or len(april) != 102:
        print("exports.txt is not sorted, or there are not 102 names of April 2026")
        bad = True
    sys.exit(bad)


main(*sys.argv[1:])
