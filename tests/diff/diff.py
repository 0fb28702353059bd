#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Two memcached servers, the same bytes, the same answers.

Sequences of commands (text, meta, binary, or several of them), valid and broken, cut at
random places, each made from the seed and its number. Both servers are sent the same
bytes, but for CAS uniques, where each gets its own, and for what known.py lists. Where
the answers differ the sequence is made shorter as long as they still do, and printed.

    diff.py --a 127.0.0.1:11211 --b 127.0.0.1:11311 --count 10000
    diff.py --a 127.0.0.1:11211 --memcached /usr/bin/memcached --count 100000
    diff.py --a ... --b ... --seed 7 --only 4711     one sequence, told at length
    diff.py --a ... --b ... --self-test              finds what is planted
    diff.py --a ... --b ... --samples                what each says to the known differences
    diff.py --known                                  the table of them

A is kfatcache (with --same memcached, too), B memcached 1.6.18, best started by --memcached.
Every 97th sequence may flush_all and runs alone: not for servers whose contents matter.
"""
import argparse
import contextlib
import multiprocessing
import os
import random
import socket
import subprocess
import sys
import time

import answers
import generate
import known
from engine import Dead, Engine
from seq import Sequence, show


ROUND = 20000	# sequences after which our memcached is another


def address(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]") or "127.0.0.1", int(port)


@contextlib.contextmanager
def memcached(path):
    """A memcached of ours; its address.

    Its LRU maintainer holds items now and then, and an incr that meets that writes a new item,
    with another length and, for ma, without the new time to live.
    """
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        addr = s.getsockname()
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    p = subprocess.Popen([path, "-l", addr[0], "-p", str(addr[1]), "-U", "0", "-m", "1024",
                          "-t", "2", "-o", "no_lru_maintainer"] + user, stdin=subprocess.DEVNULL)
    try:
        for again in range(200):
            try:
                socket.create_connection(addr, 1).close()
                break
            except OSError:
                if p.poll() is not None or again == 199:
                    raise SystemExit("diff: %s does not start" % path)
                time.sleep(0.05)
        yield addr
    finally:
        p.kill()
        p.wait()


class Tally:
    def __init__(self):
        self.sequences = self.commands = self.bytes = 0
        self.counts = {name: 0 for name in known.KNOWN}
        self.protocols = {}
        self.failed = []	# numbers
        self.first = {}		# their answers, of some
        self.slow = []	# numbers of those without an end on either side

    def take(self, run, a, b):
        seq = run.seq
        self.sequences += 1
        self.commands += len(seq.steps)
        self.protocols[seq.protocol] = self.protocols.get(seq.protocol, 0) + 1
        for s in seq.steps:
            for name in s.known:
                self.counts[name] += 1
        for name, n in a.masked.items():
            self.counts[name] += n
        self.bytes += sum(len(r) for r in b.records)

    def add(self, other):
        for name in ("sequences", "commands", "bytes"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for mine, theirs in ((self.counts, other.counts), (self.protocols, other.protocols)):
            for k, n in theirs.items():
                mine[k] = mine.get(k, 0) + n
        self.failed += other.failed
        self.slow += other.slow
        self.first.update(other.first)


def numbers_of(args, job):
    """The sequences of one job; those that run alone are job None's."""
    for n in range(args.first, args.first + args.count):
        alone = n % generate.ALONE == generate.ALONE - 1
        if alone == (job is None) and (alone or n % args.jobs == job):
            yield n


def work(args, job, plant=None):
    """Runs a job's sequences; returns its Tally."""
    tally = Tally()
    engine = Engine((args.a, args.b), args.at_once, args.timeout, args.same)
    ends = time.monotonic() + args.seconds if args.seconds else None

    def sequences():
        for n in numbers_of(args, job):
            if ends and time.monotonic() > ends:
                return
            yield generate.sequence(args.seed, n, args.protocol)

    def done(run):
        a, b = run.result()
        if plant:
            plant(run.seq, b)
        tally.take(run, a, b)
        if any(r.startswith(b"<no end") for r in b.records):
            tally.slow.append(run.seq.number)
        if not answers.compare(a, b):
            pass
        elif not plant and run.grown():
            tally.counts["incr-grows"] += 1
        else:
            tally.failed.append(run.seq.number)
            tally.first[run.seq.number] = (a, b) if len(tally.first) < 10 else None
        return len(tally.failed) >= args.failures and not plant

    engine.go(sequences(), done)
    return tally


def in_rounds(args):
    """All of them, with a new memcached now and then where it is ours."""
    total, end = Tally(), args.first + args.count
    last = time.monotonic() + args.seconds
    while args.first < end and len(total.failed) < args.failures:
        args.count = min(end - args.first, ROUND if args.memcached else end)
        if args.seconds:
            args.seconds = last - time.monotonic()
            if args.seconds <= 0:
                break
        with servers(args):
            t = in_processes(args)
            t.failed = [n for n in sorted(t.failed) if not chance(args, t, n)]
            if t.failed:
                report(args, t)
        total.add(t)
        args.first += args.count
    return total


@contextlib.contextmanager
def servers(args):
    """Those of the arguments, or of ours."""
    with contextlib.ExitStack() as stack:
        if args.memcached:
            args.b = stack.enter_context(memcached(args.memcached))
            if args.same:
                args.a = stack.enter_context(memcached(args.memcached))
        yield


def in_processes(args):
    """All jobs, then what has to run alone."""
    total = Tally()
    if args.jobs == 1:
        total.add(work(args, 0))
    else:
        with multiprocessing.Pool(args.jobs) as pool:
            for t in pool.starmap(work, [(args, j) for j in range(args.jobs)]):
                total.add(t)
    total.add(work(args, None))
    return total


# ---------------------------------------------------------------- a failure

def differs(engine, seq):
    run = engine.one(seq)
    return None if run.grown() else answers.compare(*run.result())


def with_steps(seq, steps, cut):
    return Sequence(seq.number, seq.protocol, steps, cut, seq.cut_seed, seq.alone)


def shrink(engine, seq, tries=250):
    """The shortest of its kind that still differs."""
    def still(s):
        nonlocal tries
        tries -= 1
        return s.steps and tries > 0 and differs(engine, s)

    plain = with_steps(seq, seq.steps, 0)
    if still(plain):
        seq = plain
    size = len(seq.steps)
    while size:
        at = 0
        while at < len(seq.steps):
            gone = seq.steps[at:at + size]
            rest = seq.steps[:at] + seq.steps[at + size:]
            if any(s.reconnect for s in gone) and at and at < len(rest) \
                    and not rest[at].reconnect:
                at += size	# the protocol changes there
                continue
            if at < len(rest) and any(s.sync for s in gone) and not rest[at].reconnect:
                rest[at] = rest[at].synced()
            s = with_steps(seq, rest, seq.cut)
            if still(s):
                seq = s
            else:
                at += size
        size //= 2
    return seq


def tell(engine, seq, at_length=False, got=None):
    """Print a sequence that differs, or what was answered to it."""
    a, b = got or engine.one(seq).result()
    what = answers.compare(a, b)
    for i, s in enumerate(seq.steps):
        notes = ["sync"] * s.sync + ["new connection"] * s.reconnect + s.known
        print("  %2d %s%s" % (i + 1, show(s.a), "   # " + ", ".join(notes) if notes else ""))
        if s.b is not None and s.b != s.a:
            print("     B gets %s" % show(s.b))
    print("  cut: %s" % ("not", "anywhere", "byte by byte", "at ends of lines")[seq.cut])
    if at_length:
        for name, x in (("A", a), ("B", b)):
            for i, r in enumerate(x.records):
                print("  %s %2d %s" % (name, i + 1, show(r)))
    if what is None:
        print("  the answers are the same")
        return
    i, why = what
    print("  answer %d: %s" % (i + 1, why))
    for name, x in (("A", a), ("B", b)):
        for j in range(max(0, i - 1), i + 2):
            if j < len(x.records):
                print("    %s %2d %s" % (name, j + 1, show(x.records[j])))


def report(args, tally):
    engine = Engine((args.a, args.b), 1, args.timeout / 4, args.same)
    for n in tally.failed[:args.show]:
        seq = generate.sequence(args.seed, n, args.protocol)
        print("sequence %d (%s):" % (n, seq.protocol))
        if differs(engine, seq):
            tell(engine, shrink(engine, seq))
        else:
            print("  it did not differ when it was sent again; whole:")
            tell(engine, seq, got=tally.first.get(n))
        print("  again: %s %s--seed %d%s --only %d" % (
            sys.argv[0], args.where, args.seed,
            "" if args.protocol == "all" else " --protocol " + args.protocol, n), flush=True)


def chance(args, tally, n):
    """Whether a sequence differed by what 1.6.18 had in its memory (big-number)."""
    seq = generate.sequence(args.seed, n, args.protocol)
    data = b"".join(p for s in seq.steps for p in s.a if isinstance(p, bytes))
    if b"18446744073709551" not in data and b"\xff" * 8 not in data:
        return False
    a, b = tally.first.get(n) or (None, None)
    engine = Engine((args.a, args.b), 1, args.timeout, args.same)
    if not (a and answers.only_b_non_numeric(a, b)) and sum(1 for _ in range(6) if differs(engine, seq)) > 1:
        return False
    tally.counts["big-number"] += 1
    return True


# ---------------------------------------------------------------- the rest

def only(args):
    engine = Engine((args.a, args.b), 1, args.timeout / 4, args.same)
    seq = generate.sequence(args.seed, args.only, args.protocol)
    print("sequence %d (%s), whole:" % (args.only, seq.protocol))
    tell(engine, seq, at_length=True)
    if not differs(engine, seq):
        return 0
    print("made shorter:")
    tell(engine, shrink(engine, seq))
    return 1


def self_test(args):
    """Answers of B are changed in some sequences: just those must be found."""
    planted = {}

    def plant(seq, b):
        rng = random.Random(seq.number)
        if rng.random() > 0.15 or len(b.records) < 3:
            return
        kind = rng.randrange(4)
        i = rng.randrange(len(b.records) - 1)
        if kind == 0:
            b.records[i] += b"!"
        elif kind == 1:
            del b.records[i]
        elif kind == 2:
            b.records.insert(i, b"STORED\r")
        elif len(set(b.cas)) < 2:
            return
        else:		# two items' uniques are one
            first = b.cas[0]
            at = next(j for j, v in enumerate(b.cas) if v != first)
            b.cas[at] = first
        planted[seq.number] = kind

    t = work(args, 0, plant)
    found = {n for n in t.failed if n in planted or not chance(args, t, n)}
    missed = set(planted) - found
    print("%d sequences, planted %d differences (%s of each kind), found %d, missed %d, "
          "found %d that were not planted" % (
              t.sequences, len(planted),
              " ".join(str(list(planted.values()).count(k)) for k in range(4)),
              len(found & set(planted)), len(missed), len(found - set(planted))))
    if missed:
        print("missed: %s" % sorted(missed)[:10])
    return 0 if len(planted) >= 10 and found == set(planted) else 1


def samples(args):
    for k in known.KNOWN.values():
        if k.sample is None:
            continue
        print("%s: %s\n  sent %s" % (k.name, k.reason, show(k.sample, 300)))
        for name, addr in (("A", args.a), ("B", args.b)):
            key = b"%09d" % random.randrange(10 ** 9)
            with socket.create_connection(addr, args.timeout) as s:
                s.settimeout(args.timeout)
                if k.sample[:1] == b"\x80":
                    s.sendall(k.sample)
                else:
                    s.sendall(k.sample.replace(b"@k", key))
                s.shutdown(socket.SHUT_WR)
                got = b""
                try:
                    while data := s.recv(65536):
                        got += data
                except OSError:
                    pass
            print("  %s    %s" % (name, show(got.replace(key, b"@k"), 300)))
    return 0


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--a", type=address, metavar="HOST:PORT")
    p.add_argument("--b", type=address, metavar="HOST:PORT")
    p.add_argument("--memcached", metavar="PATH", help="start B, a new one every %d sequences "
                   "(1.6.18 has been seen to hang after some 200,000)" % ROUND)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--first", type=int, default=0, help="number of the first sequence")
    p.add_argument("--count", type=int, default=10000, help="how many (10000)")
    p.add_argument("--seconds", type=float, default=0, help="no more after that long")
    p.add_argument("--protocol", choices=("all",) + generate.PROTOCOLS, default="all")
    p.add_argument("--only", type=int, metavar="N", help="sequence N alone, at length")
    p.add_argument("--jobs", type=int, default=1, help="processes")
    p.add_argument("--at-once", type=int, default=24, help="sequences at once in each")
    p.add_argument("--timeout", type=float, default=20, help="seconds for one sequence")
    p.add_argument("--failures", type=int, default=20, help="stop after so many")
    p.add_argument("--show", type=int, default=5, help="tell of so many of them")
    p.add_argument("--same", action="store_true",
                   help="A is memcached 1.6.18, too: there is no known difference")
    p.add_argument("--self-test", action="store_true")
    p.add_argument("--samples", action="store_true")
    p.add_argument("--known", action="store_true")
    args = p.parse_args()
    if args.known:
        print(known.table())
        return 0
    if (args.a is None and not (args.same and args.memcached)) or \
            (args.b is None and not args.memcached):
        p.error("which servers? --a, and --b or --memcached")
    args.where = " ".join(
        ["--same"] * args.same + ["--a %s:%d" % args.a if args.a else ""]
        + ["--b %s:%d" % args.b if args.b else "--memcached " + args.memcached] + [""])
    for wanted, what in ((args.only is not None, only), (args.self_test, self_test),
                         (args.samples, samples)):
        if wanted:
            with servers(args):
                return what(args)

    start = time.monotonic()
    try:
        t = in_rounds(args)
    except Dead as e:
        print("a server does not answer any more: %s" % e)
        return 2
    seconds = time.monotonic() - start
    for name, n in t.counts.items():
        if n:
            print("# known: %s, %d times" % (name, n))
    print("# %s; %d bytes of answers; %.0f s, %.0f sequences/s" % (
        ", ".join("%d %s" % (n, k) for k, n in sorted(t.protocols.items())), t.bytes, seconds,
        t.sequences / max(seconds, 0.001)))
    if t.slow:
        print("# without an end in time on either side: %s" % sorted(t.slow))
    print("%d sequences, %d commands, %d differ" % (t.sequences, t.commands, len(t.failed)))
    return 1 if t.failed or not t.sequences else 0


if __name__ == "__main__":
    sys.exit(main())
