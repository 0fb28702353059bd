#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What a restart must keep, and what must not come back.

    restart.py HOST PORT store FILE    store objects, note in FILE what they are
    restart.py HOST PORT early FILE    change some at once, before all is loaded
    restart.py HOST PORT check FILE    they are what FILE says: value, flags, CAS, expiry

Prints `ok NAME`, `not ok NAME - reason`. `early` notes what it changed in FILE.
"""
import json
import sys
import time

from objects import SLOWER, Conn, Objects

N = 1000
TTL = 600 * SLOWER


def main():
    host, port, mode, path = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
    c = Conn(host, port, 30 * SLOWER)
    o = Objects(31, "20-3000", "r-")
    failed = 0

    def report(name, wrong):
        nonlocal failed
        failed += bool(wrong)
        print("not ok %s - %d: %.200s" % (name, len(wrong), wrong[0]) if wrong
              else "ok %s" % name, flush=True)

    def note(keys, known):
        for k in keys:
            r = c.get(k.encode(), verb=b"gets")
            known[k] = [r[0][1], r[0][2].decode("latin-1"), r[0][3]] if r else None

    if mode == "store":
        for i in range(N):
            flags, value = o.both(i)
            c.cmd(b"set k%d %d %d %d\r\n%s" % (i, flags, i % 3 and TTL, len(value), value))
        for i in range(0, N, 10):
            c.cmd(b"delete k%d" % i)
        for i in range(5, N, 10):
            c.cmd(b"set k%d 5 0 2\r\n77" % i)
        c.cmd(b"set short 0 20 1\r\nx")
        known = {}
        note(["k%d" % i for i in range(N)], known)
        report("stored", [k for i, k in enumerate(known) if bool(known[k]) != bool(i % 10)])
        known["at"] = time.time()
    else:
        with open(path) as f:
            known = json.load(f)
    if mode == "early":
        wrong = []
        for i in range(1, 400, 10):
            rows = [(b"delete k%d" % i, b"DELETED"),
                    (b"delete k%d" % (i - 1), b"NOT_FOUND"),
                    (b"set k%d 1 0 3\r\nnew" % (i + 1), b"STORED"),
                    (b"append k%d 0 0 1\r\n+" % (i + 2), b"STORED"),
                    (b"add k%d 0 0 1\r\n+" % (i + 3), b"NOT_STORED"),
                    (b"incr k%d 1" % (i + 4), b"78"),
                    (b"cas k%d 9 0 1 %d\r\nc" % (i + 5, known["k%d" % (i + 5)][2]), b"STORED"),
                    (b"touch k%d 0" % (i + 6), b"TOUCHED")]
            wrong += ["%r: %r" % (q, got) for q, want in rows if (got := c.cmd(q)) != want]
        report("changed at once", wrong)
        was = dict(known)
        note(["k%d" % i for i in range(400)], known)
        report("... to what was asked for", [
            "k%d" % i for i in range(1, 400, 10) if known["k%d" % i] or
            known["k%d" % (i + 1)][:2] != [1, "new"] or
            known["k%d" % (i + 2)][1] != was["k%d" % (i + 2)][1] + "+" or
            known["k%d" % (i + 3)] != was["k%d" % (i + 3)] or
            known["k%d" % (i + 6)][1] != was["k%d" % (i + 6)][1]])
    if mode == "check":
        now = {}
        note(["k%d" % i for i in range(N)], now)
        report("values, flags and CAS uniques are back", [
            "%s: %.60r, not %.60r" % (k, now[k], known[k]) for k in now if now[k] != known[k]])
        if time.time() - known["at"] > 20:
            report("what expired meanwhile is gone", c.get(b"short"))
    with open(path, "w") as f:
        json.dump(known, f)
    return failed


if __name__ == "__main__":
    sys.exit(bool(main()))
