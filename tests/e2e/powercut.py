#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Power cuts: what dm-log-writes recorded of a load, up to each flush, and loaded again.

    powercut.py record HOST PORT NAME FILE     store, delete, flush_all by the module on the
                                               device-mapper device NAME; FILE: what was left
    powercut.py replay HOST PORT FILE LOG TARGET MIB POINTS SEED INSMOD...
                                               LOG: what was recorded; TARGET: a device of MIB

At a point the device has what had been written when a flush came, or besides that some
of what was written before the next, as devices keep it that lose power. At each of
POINTS points (0: at all) the module is loaded by INSMOD, as it is and with
recover=crash. Prints `ok NAME` and `not ok NAME - reason`.
"""
import json
import mmap
import os
import random
import struct
import subprocess
import sys

from objects import MIB, Conn, Objects

N = 1000
NEW = 40        # objects that are stored after a cut
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8
MAGIC = 0x6a736677736872
SECTOR = 512

OBJECTS = Objects(90, "2000-8000", "pc-")
AFTER = Objects(91, "200-2000", "new-")


def report(name, wrong):
    print("not ok %s - %d: %.200s" % (name, len(wrong), wrong[0]) if wrong else "ok %s" % name,
          flush=True)
    return bool(wrong)


def store(c, o, which, gen=0):
    for at in range(0, len(which), 50):
        some = which[at:at + 50]
        c.send(b"".join([o.set_cmd(i, gen) for i in some]))
        if not c.starts(b"STORED\r\n" * len(some)):
            raise SystemExit("a set was refused: %r" % c.line())


def found(c, o, which):
    """{index: generation}, of those that are there; of strange bytes the generation is -1"""
    there = {}
    index = {o.key(i): i for i in which}
    for at in range(0, len(which), 50):
        for key, flags, value, _ in c.get(*[o.key(i) for i in which[at:at + 50]]):
            there[index[key]] = int(value[9:13], 16) if o.is_own(key, flags, value) else -1
    return there


# ---------------------------------------------------------------- record

def record(host, port, name, path):
    """Generations 0 and 1, flush_all, 2, flush_all, 3; some are deleted before a flush_all, some
    after it. A mark says from which generation on values may be there."""
    c = Conn(host, port)

    def mark(text):
        subprocess.run(["dmsetup", "message", name, "0", "mark", text], check=True)

    def flush_all(gen):
        if c.cmd(b"flush_all") != b"OK":
            raise SystemExit("flush_all was refused")
        mark("from-%d" % gen)

    store(c, OBJECTS, range(N))
    store(c, OBJECTS, range(0, N, 2), 1)
    flush_all(2)
    store(c, OBJECTS, range(N), 2)
    for i in range(0, N, 10):
        c.cmd(b"delete %s" % OBJECTS.key(i))
    flush_all(3)
    store(c, OBJECTS, range(0, N, 3), 3)
    for i in range(0, N, 12):
        c.cmd(b"delete %s" % OBJECTS.key(i))
    with open(path, "w") as f:
        json.dump(found(c, OBJECTS, range(N)), f)
    mark("unloading")
    return 0


# ---------------------------------------------------------------- replay

class Log:
    """Entries: (flags, byte on the device, bytes, byte in the log, mark)."""

    def __init__(self, path):
        self.f = open(path, "rb")
        magic, version, count, size = struct.unpack("<QQQI", self.f.read(28))
        if (magic, version, size) != (MAGIC, 1, SECTOR):
            raise SystemExit("%s: no log" % path)
        self.entries = []
        at = SECTOR
        for _ in range(count):
            self.f.seek(at)
            head = self.f.read(SECTOR)
            sector, nr, flags, length = struct.unpack_from("<QQQQ", head)
            at += SECTOR
            text = head[32:32 + length].decode() if flags & MARK else ""
            self.entries.append((flags, sector * SECTOR, nr * SECTOR, at, text))
            if not flags & DISCARD:
                at += nr * SECTOR
        flushes = [i for i, e in enumerate(self.entries) if e[0] & (FLUSH | FUA)]
        self.points = [i + 1 for i in flushes]

    def apply(self, image, entry):
        flags, to, size, at, _ = entry
        if flags & MARK or not size:
            return
        if flags & DISCARD:
            image[to:to + size] = bytes(size)
            return
        self.f.seek(at)
        image[to:to + size] = self.f.read(size)

    def state(self, point):
        """(the oldest generation that may be there, whether it was being unloaded)"""
        marks = [e[4] for e in self.entries[:point] if e[4]]
        gens = [int(m[5:]) for m in marks if m.startswith("from-")]
        return max(gens, default=0), "unloading" in marks


class Replay:
    def __init__(self, host, port, path, log, target, mib, insmod):
        self.address, self.log, self.target, self.insmod = (host, port), Log(log), target, insmod
        self.size = mib * MIB
        with open(path) as f:
            self.left = {int(i): gen for i, gen in json.load(f).items()}
        self.failed = self.recovered = self.kept = 0

    def put(self, image):
        with open(self.target, "r+b") as f:
            f.write(image)
            os.fsync(f.fileno())

    def now(self):
        """The device as it is, below the module and past the page cache."""
        buf = mmap.mmap(-1, MIB)
        image = bytearray()
        fd = os.open(self.target, os.O_RDONLY | os.O_DIRECT)
        for at in range(0, self.size, MIB):
            os.preadv(fd, [buf], at)
            image += buf
        os.close(fd)
        return image

    def load(self, *args):
        subprocess.run([*self.insmod, *args], check=True)
        return Conn(*self.address)

    @staticmethod
    def unload():
        subprocess.run(["rmmod", "kfatcache"], check=True)

    def judge(self, there, oldest):
        return ["object %d: generation %d" % (i, gen) for i, gen in there.items() if gen < oldest]

    def after(self, c):
        """New objects, and what is there of the old ones, once more."""
        store(c, AFTER, range(NEW))
        there = found(c, AFTER, range(NEW))
        return ["new object %d" % i for i in range(NEW) if there.get(i) != 0]

    def cut(self, image, point, name, again):
        """Load what a cut left, in both ways."""
        oldest, down = self.log.state(point)
        self.put(image)
        c = self.load()
        there = found(c, OBJECTS, range(N))
        wrong = [] if not there or down and there == self.left else \
            ["%d objects are there" % len(there)]
        self.kept += bool(there)
        wrong += self.after(c)
        second = self.now() if again else None
        c.close()
        self.unload()
        self.failed += report("%s: empty, or all of it after a clean unload" % name, wrong)

        if again:
            # power is lost once more, and now it is to be recovered
            self.put(second)
            c = self.load("recover=crash")
            there = found(c, OBJECTS, range(N))
            wrong = [] if there == {} or down else ["%d old objects are there" % len(there)]
            wrong += self.judge(there, oldest)
            wrong += ["new object %d" % i for i, g in found(c, AFTER, range(NEW)).items() if g]
            c.close()
            self.unload()
            self.failed += report("%s: and again, with recover=crash: nothing of before" % name,
                                  wrong)

        self.put(image)
        c = self.load("recover=crash")
        there = found(c, OBJECTS, range(N))
        wrong = self.judge(there, oldest) + self.after(c)
        if down and not there:
            wrong.append("nothing is there")
        c.close()
        self.unload()
        self.recovered += len(there)
        self.failed += report("%s, recover=crash: %d objects, none older than flush_all" %
                              (name, len(there)), wrong)

    def run(self, count, seed):
        rnd = random.Random(seed)
        points = self.log.points
        print("# %d entries, %d flushes" % (len(self.log.entries), len(points)))
        chosen = points
        if 0 < count < len(points):     # the last, and others from all over it
            step = (len(points) - 1) / count
            chosen = [points[int(i * step + rnd.random() * step)] for i in range(count)] + points[-1:]
        image, at = bytearray(self.size), 0
        for n, point in enumerate(chosen):
            for e in self.log.entries[at:point]:
                self.log.apply(image, e)
            at = point
            follows = min([p for p in points if p > point], default=point + 1)
            unflushed = [e for e in self.log.entries[point:follows - 1] if e[2]]
            self.cut(image, point, "cut at entry %d" % point, n % 3 == 0)
            if unflushed:
                partly = bytearray(image)
                some = [e for e in unflushed if rnd.random() < 0.6]
                rnd.shuffle(some)
                for e in some:
                    self.log.apply(partly, e)
                self.cut(partly, point, "cut at entry %d, and %d of the next %d writes" %
                         (point, len(some), len(unflushed)), False)
        self.failed += report("objects were recovered", [] if self.recovered else ["none"])
        self.failed += report("a clean unload was among them", [] if self.kept else ["no"])
        return self.failed


def main():
    mode, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if mode == "record":
        return record(host, port, *sys.argv[4:6])
    path, log, target, mib, points, seed = sys.argv[4:10]
    print("# seed %s" % seed)
    return Replay(host, port, path, log, target, int(mib), sys.argv[10:]).run(int(points), seed)


if __name__ == "__main__":
    sys.exit(bool(main()))
