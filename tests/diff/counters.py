#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Two memcached servers, the same commands, the same counters.

    counters.py --a 127.0.0.1:11211 --memcached /usr/bin/memcached
    counters.py --a ... --b ...

Each case is sent to both on a connection of its own; by how much each counter of
`stats` went up has to be the same. An object that is dead is met in the same bytes
that made it so, as 1.6.18's LRU maintainer might take it first. Who meets a flushed one
first is not compared: there what looks for memory, here the writer thread takes them. Nobody else may use the
servers meanwhile, and one case empties them.
"""
import argparse
import contextlib
import os
import socket
import struct
import sys

from diff import address, memcached

NAMES = """cmd_get cmd_set cmd_touch cmd_flush get_hits get_misses get_expired get_flushed
    touch_hits touch_misses delete_hits delete_misses incr_hits incr_misses decr_hits
    decr_misses cas_hits cas_misses cas_badval store_too_large store_no_memory
    total_items""".split()
LARGE = 2000000
SET = b"set @k 0 0 1\r\n1\r\n"
DEAD = b"set @k 0 -1 1\r\n1\r\n"
FLUSHED = SET + b"flush_all\r\n"


def bin_(op, key=b"", extras=b"", value=b"", cas=0):
    """A binary request; @ in the key as in text."""
    return lambda prefix: struct.pack(
        ">BBHBBHIIQ", 0x80, op, len(key.replace(b"@", prefix)), len(extras), 0, 0,
        len(extras) + len(key.replace(b"@", prefix)) + len(value), 0, cas) + \
        extras + key.replace(b"@", prefix) + value


def value(line, n):
    return line % n + b"\r\n" + b"v" * n + b"\r\n"


NEVER = struct.pack(">QQI", 1, 5, 0xffffffff)
INITIAL = struct.pack(">QQI", 1, 5, 0)
EXPIRY = struct.pack(">I", 0)
B_SET = bin_(0x01, b"@k", bytes(8), b"1")

CASES = {
    "get": SET + b"get @k @none\r\ngets @k @none\r\n",
    "touch": SET + b"touch @k 0\r\ntouch @none 0\r\n",
    "gat": SET + b"gat 0 @k\r\ngat 0 @none\r\ngats 0 @k @none @k\r\n",
    "set": SET + b"set @k 0 0 1 noreply\r\n1\r\n",
    "add": SET + b"add @k 0 0 1\r\n1\r\nadd @l 0 0 1\r\n1\r\n",
    "replace": SET + b"replace @k 0 0 1\r\n1\r\nreplace @none 0 0 1\r\n1\r\n",
    "append": SET + b"append @k 0 0 1\r\n1\r\nprepend @none 0 0 1\r\n1\r\n",
    "cas": SET + b"cas @k 0 0 1 1\r\n1\r\ncas @none 0 0 1 1\r\n1\r\n",
    "bad chunk": b"set @k 0 0 1\r\nxyz\r\n",
    "too large: set": SET + value(b"set @k 0 0 %d", LARGE),
    "too large: noreply": value(b"set @k 0 0 %d noreply", LARGE),
    "too large: add": value(b"add @k 0 0 %d", LARGE),
    "too large: append": SET + value(b"append @k 0 0 %d", LARGE),
    "too large: cas": value(b"cas @k 0 0 %d 1", LARGE),
    "too large: ms": value(b"ms @k %d", LARGE),
    "delete": SET + b"delete @k\r\ndelete @k\r\n",
    "incr": SET + b"incr @k 1\r\nincr @none 1\r\ndecr @k 1\r\ndecr @none 1\r\n",
    "incr: longer": SET + b"incr @k 100\r\ndecr @k 100\r\n",
    "incr: no number": b"set @k 0 0 1\r\nx\r\nincr @k 1\r\n",
    "mg": SET + b"mg @k v\r\nmg @none v\r\nmg @k\r\nmg @k q v\r\n",
    "mg T": SET + b"mg @k T30 v\r\nmg @none T30 v\r\n",
    "mg N": b"mg @k N30 v\r\nmg @k N30 v\r\n",
    "mg N T": b"mg @k N30 T20 v\r\n",
    "ms": b"ms @k 1\r\n1\r\nms @k 1 ME\r\n1\r\nms @l 1 MR\r\n1\r\nms @k 1 MA\r\n1\r\n",
    "ms C": SET + b"ms @k 1 C1\r\n1\r\nms @none 1 C1\r\n1\r\n",
    "md": SET + b"md @k\r\nmd @k\r\nmd @k q\r\n",
    "md I": SET + b"md @k I\r\nmd @k I T30\r\n",
    "md C": SET + b"md @k C1\r\nmd @k C0\r\n",
    "ma": SET + b"ma @k\r\nma @none\r\nma @k MD D5\r\n",
    "ma N": b"ma @k N0 J5\r\nma @l N0 J5 MD\r\nma @k N0 J5\r\n",
    "me": SET + b"me @k\r\nme @none\r\n",
    "flush_all": SET + b"flush_all\r\nflush_all noreply\r\nflush_all 1000000\r\n",
    "flush_all before the start": SET + b"flush_all 1000000000\r\nget @k\r\n",
    "binary get": [B_SET, bin_(0x00, b"@k"), bin_(0x00, b"@none"), bin_(0x09, b"@none"),
                   bin_(0x0d, b"@k")],
    "binary GAT": [B_SET, bin_(0x1d, b"@k", EXPIRY), bin_(0x1d, b"@none", EXPIRY),
                   bin_(0x1e, b"@none", EXPIRY), bin_(0x23, b"@k", EXPIRY)],
    "binary touch": [B_SET, bin_(0x1c, b"@k", EXPIRY), bin_(0x1c, b"@none", EXPIRY)],
    "binary delete": [B_SET, bin_(0x04, b"@k", cas=1), bin_(0x04, b"@k"), bin_(0x04, b"@k")],
    "binary incr": [bin_(0x05, b"@k", INITIAL), bin_(0x05, b"@k", INITIAL),
                    bin_(0x05, b"@none", NEVER), bin_(0x06, b"@l", INITIAL)],
    "binary set cas": [B_SET, bin_(0x01, b"@k", bytes(8), b"1", cas=1),
                       bin_(0x01, b"@none", bytes(8), b"1", cas=1)],
    "binary append": [B_SET, bin_(0x0e, b"@k", b"", b"1"), bin_(0x0e, b"@none", b"", b"1")],
}
for _how, _first in (("expired", DEAD), ("flushed", FLUSHED)):
    for _name, _cmd in (
            ("get", b"get @k\r\n"), ("gat", b"gat 0 @k\r\n"), ("touch", b"touch @k 0\r\n"),
            ("mg T", b"mg @k v T30\r\n"), ("mg N", b"mg @k v N30\r\n"),
            ("incr", b"incr @k 1\r\n"), ("delete", b"delete @k\r\n"),
            ("add", b"add @k 0 0 1\r\n1\r\n"), ("append", b"append @k 0 0 1\r\n1\r\n"),
            ("replace", b"replace @k 0 0 1\r\n1\r\n"), ("cas", b"cas @k 0 0 1 1\r\n1\r\n"),
            ("md", b"md @k\r\n"), ("ma", b"ma @k\r\n"), ("ma N", b"ma @k N0 J1\r\n")):
        CASES["%s: %s" % (_how, _name)] = _first + _cmd


def talk(addr, data, end):
    """All that a server says until it has said end."""
    with socket.create_connection(addr, 60) as s:
        s.sendall(data)
        got = b""
        while not got.endswith(end):
            part = s.recv(1 << 16)
            if not part:
                raise SystemExit("counters: %s:%d closed after %.100r" % (*addr, got))
            got += part
    return got


def stats(addr):
    lines = talk(addr, b"stats\r\n", b"END\r\n").decode().split("\r\n")
    all_ = dict(line.split(" ", 2)[1:] for line in lines if line.startswith("STAT "))
    return [int(all_[name]) for name in NAMES]


def run(addr, case, prefix):
    """By how much each counter went up."""
    before = stats(addr)
    if isinstance(case, list):
        noop = bin_(0x0a)(prefix)
        talk(addr, b"".join(part(prefix) for part in case) + noop,
             b"\x81" + noop[1:])
    else:
        talk(addr, case.replace(b"@", prefix) + b"mn\r\n", b"MN\r\n")
    return {name: b - a for name, a, b in zip(NAMES, before, stats(addr)) if a != b}


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--a", type=address, metavar="HOST:PORT", required=True)
    p.add_argument("--b", type=address, metavar="HOST:PORT")
    p.add_argument("--memcached", metavar="PATH", help="start B")
    args = p.parse_args()
    if args.b is None and not args.memcached:
        p.error("which servers? --a, and --b or --memcached")
    differ = 0
    nonce = b"c%d" % (os.getpid() % 10000)
    with contextlib.ExitStack() as stack:
        if args.memcached:
            args.b = stack.enter_context(memcached(args.memcached))
        for i, (name, case) in enumerate(CASES.items()):
            a, b = (run(addr, case, b"%s-%d-" % (nonce, i)) for addr in (args.a, args.b))
            if name.startswith("flushed"):
                a.pop("get_flushed", 0)
                b.pop("get_flushed", 0)
            if a != b:
                differ += 1
                print("%s: A %r\n%s  B %r" % (name, a, " " * len(name), b))
    print("%d cases, %d counters each, %d differ" % (len(CASES), len(NAMES), differ))
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
