#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Are the lines of stats those that README tells of? Prints what is missing where.

A row's first column names them, separated by commas or semicolons. _x stands for
the name before with its last word replaced, and a * for anything.
"""

import fnmatch
import re
import sys


def printed():
    """The names in stats.c, but for those of the groups."""
    with open("module/stats.c") as f:
        text = f.read()
    names = re.findall(r'KFC_COUNTER\(\w+,\s*"(\w+)"\)', text)
    for body in re.findall(r"^static void kfc_stats_\w+\(.*?^}", text, re.M | re.S):
        names += re.findall(r'kfc_(?:u64|line)\(l, "(\w+)"', body)
        # one of each device: README tells of the first
        names += [n.replace("%u", "0") for n in
                  re.findall(r'snprintf\(name, sizeof\(name\), "([\w%]+)"', body)]
    general = re.search(r"^void kfc_stats_print\(.*?^}", text, re.M | re.S)
    return names + re.findall(r'kfc_(?:u64|line)\(&l, "(\w+)"', general.group(0))


def told():
    """The names and patterns in README."""
    with open("README.md") as f:
        part = re.search(r"^## What its numbers say$.*?^## ", f.read(), re.M | re.S).group(0)
    names = []
    for row in re.findall(r"^\| ([^|]+) \|", part, re.M)[1:]:
        for name in re.split(r"[,;] *", row):
            if name.startswith("_"):
                name = names[-1].rsplit("_", 1)[0] + name
            if name.strip("-"):
                names.append(name.strip())
    return names


def main():
    there, rows = printed(), told()
    bad = [f"README: {n} is in module/stats.c and in no row" for n in there
           if not any(fnmatch.fnmatchcase(n, r) for r in rows)]
    bad += [f"README: {r} is in a row and not in module/stats.c" for r in rows
            if not any(fnmatch.fnmatchcase(n, r) for n in there)]
    bad += [f"README: {r} is in two rows" for r in sorted(set(rows)) if rows.count(r) > 1]
    if len(there) < 80:
        bad.append(f"module/stats.c: only {len(there)} names were found")
    print("\n".join(bad), end="\n" if bad else "")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
