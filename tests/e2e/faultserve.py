# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Random commands while allocations fail: what is answered is right, a miss or a refusal.

    faultserve.py HOST PORT nth|chance ROUNDS       (of objectsd.py)

A round is a batch of commands of two connections. nth: of each of the module's threads
one allocation fails, the first that it does from some round on, the second from a later
one on, and so on. chance: it is left to what failslab and fail_page_alloc were told.

Where an answer finds no memory its connection is closed, and another one made. Wrong bytes
and answers that do not come are errors. /proc/TID/fail-nth: see faultload.py.
"""
import argparse
import glob
import os
import random
import sys

import objects
from objects import UNKNOWN, Conn, Lost, Player, Stalled, Tally, Wrong

CONNS, COUNT, BATCH = 2, 1200, 8
TRIES = 20


class Threads:
    """The module's, and which of its allocations is to fail next."""

    def __init__(self):
        self.nth = {}
        for path in glob.glob("/proc/[0-9]*/comm"):
            try:
                with open(path) as f:
                    name = f.read()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if name.startswith("kfatcache"):
                self.nth[os.path.dirname(path) + "/fail-nth"] = 0

    @staticmethod
    def pending(path):
        with open(path) as f:
            return int(f.read())

    def arm(self):
        for path in self.nth:
            if not self.pending(path):
                self.nth[path] += 1
                with open(path, "w") as f:
                    f.write(str(self.nth[path]))

    def disarm(self):
        """Returns how many have failed."""
        failed = 0
        for path, nth in self.nth.items():
            failed += nth - bool(self.pending(path))
            with open(path, "w") as f:
                f.write("0")
        return failed


class Survivor(Player):
    """Goes on with another connection, and knows that what is missed may be there later."""

    def miss(self, key):
        # A get that found no memory. What was deleted stays so, what was stored is all it can be.
        if isinstance(self.model.get(key), list):
            self.t["misses"] += 1

    def again(self):
        self.c.close()
        self.t["lost"] += 1
        self.pend.clear()
        self.model = dict.fromkeys(self.keys + self.nums, UNKNOWN)
        for left in reversed(range(TRIES)):
            try:
                self.c = Conn(self.a.host, self.a.port, self.a.timeout)
                return
            except Lost:
                if not left:
                    raise

    def batch(self, seed):
        self.rnd.seed(seed)
        try:
            self.round(BATCH)
            self.drain()
        except Lost:
            self.again()


def main():
    host, port, how, rounds = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    a = argparse.Namespace(host=host, port=port, timeout=60 * objects.SLOWER, count=COUNT,
                           conns=CONNS)
    t = Tally()
    objs = objects.Objects(1, "200-12000", "f-")
    threads = Threads()
    players = [Survivor(a, t, objs, random.Random(), n, Conn(host, port, a.timeout))
               for n in range(CONNS)]
    for p in players:       # an earlier run's are there
        p.model = dict.fromkeys(p.keys + p.nums, UNKNOWN)
    try:
        for n in range(rounds):
            if how == "nth":
                threads.arm()
            for p in players:
                p.batch(n)
    except (Lost, Stalled, Wrong) as e:
        t["wrong"] += 1
        t.note(f"{type(e).__name__}: {e}")
    print(f"RESULT mode=faultserve rounds={rounds} threads={len(threads.nth)} "
          f"failed={threads.disarm()} " +
          " ".join(f"{k}={t[k]}" for k in ("wrong", "commands", "hits", "misses", "refused", "lost")))
    return int(bool(t["wrong"]))
