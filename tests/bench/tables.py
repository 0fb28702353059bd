# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Tables of figures: rows are dictionaries, all with the same keys."""
import csv


def table(rows):
    print("| " + " | ".join(rows[0]) + " |")
    print("| " + " | ".join("---" for _ in rows[0]) + " |")
    for row in rows:
        print("| " + " | ".join(str(v) for v in row.values()) + " |")
    print()


def write_csv(path, rows):
    with open(path, "w", newline="") as f:
        w = csv.DictWriter(f, list(rows[0]))
        w.writeheader()
        w.writerows(rows)
