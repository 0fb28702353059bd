#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""What prometheus/memcached_exporter 0.16 asks for, read as it reads it.

    exporter.py HOST PORT [--memcached]

It sends stats, stats slabs and stats items on one connection, then stats settings; a line
that it cannot read, or a name that it must have, and memcached_up is 0. --memcached leaves
out what only kfatcache promises.
"""
import argparse
import re
import socket
import sys

STATS = """version uptime time pid get_hits get_misses delete_hits delete_misses incr_hits
    incr_misses decr_hits decr_misses cas_hits cas_misses cas_badval touch_hits touch_misses cmd_get
    cmd_set cmd_flush cmd_touch bytes limit_maxbytes curr_items total_items bytes_read bytes_written
    curr_connections total_connections rejected_connections listen_disabled_num accepting_conns
    evictions reclaimed rusage_user rusage_system""".split()
OURS = """store_too_large store_no_memory extstore_page_allocs extstore_page_evictions
    extstore_pages_free extstore_pages_used extstore_objects_evicted extstore_objects_read
    extstore_objects_written extstore_objects_used extstore_bytes_evicted extstore_bytes_written
    extstore_bytes_read extstore_bytes_used extstore_bytes_fragmented extstore_limit_maxbytes
    extstore_io_queue""".split()
NOT_NUMBERS = {"version", "libevent", "kfc_device_state"}
BOOLEANS = {"cas_enabled", "flush_enabled", "lru_crawler", "lru_maintainer_thread"}
failed = 0


def is_(name, good, got=""):
    global failed
    if good:
        print("ok exporter: %s" % name)
    else:
        failed += 1
        print("not ok exporter: %s - %s" % (name, got))


class Conn:
    def __init__(self, host, port):
        self.sock = socket.create_connection((host, port), 30)
        self.file = self.sock.makefile("rb")

    def ask(self, what):
        """name -> value; what is no "STAT name value" line stands under None."""
        self.sock.sendall(what.encode() + b"\r\n")
        got = {None: []}
        while True:
            line = self.file.readline().decode()
            if line == "END\r\n":
                return got
            if not line or line.startswith("ERROR"):
                got[None].append(line or "<closed>")
                return got
            words = line.rstrip("\r\n").split(" ")
            if len(words) != 3 or words[0] != "STAT" or not words[2]:
                got[None].append(line)
            else:
                got[words[1]] = words[2]


def check_stats(got, ours):
    is_("stats: every line is STAT, a name, a value", not got[None], got[None][:3])
    missing = [n for n in STATS + OURS * ours if n not in got]
    is_("stats: has what it needs", not missing, "without " + " ".join(missing))
    bad = [n for n in ("rusage_user", "rusage_system") if got.get(n, "").count(".") != 1]
    is_("stats: rusage has one dot", not bad, bad)
    bad = [n for n, v in got.items() if n and n not in NOT_NUMBERS
           and not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", v)]
    is_("stats: values are numbers", not bad, bad[:5])


def check_classes(what, got, needs):
    is_("%s: ends in END, every line is one" % what, not got[None], got[None][:3])
    classes = {}
    for n, v in got.items():
        m = re.fullmatch(r"(?:items:)?([0-9]+):([a-z_0-9]+)", n or "")
        if m:
            classes.setdefault(m.group(1), {})[m.group(2)] = v
    bad = ["%s:%s" % (c, n) for c, names in classes.items() for n in needs if n not in names]
    is_("%s: every class has %s" % (what, " ".join(needs)), not bad, bad[:5])
    bad = [v for names in classes.values() for v in names.values() if not v.isdecimal()]
    is_("%s: values are numbers" % what, not bad, bad[:5])


def check_settings(got, ours):
    is_("settings: ends in END, every line is one", not got[None], got[None][:3])
    is_("settings: maxconns", got.get("maxconns", "").isdecimal(), got.get("maxconns"))
    bad = [n for n in BOOLEANS if n in got and got[n] not in ("yes", "no")]
    is_("settings: booleans are yes or no", not bad, bad)
    if ours:
        missing = [n for n in ("domain_socket", "evictions", "cas_enabled", "flush_enabled")
                   if n not in got]
        is_("settings: has what was promised", not missing, missing)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("host")
    p.add_argument("port", type=int)
    p.add_argument("--memcached", action="store_true")
    a = p.parse_args()
    c = Conn(a.host, a.port)
    c.sock.sendall(b"set exporter 0 0 1\r\nx\r\n")
    is_("a set, so that there is a class", c.file.readline() == b"STORED\r\n")
    check_stats(c.ask("stats"), not a.memcached)
    check_classes("slabs", c.ask("stats slabs"), ("cmd_set", "cas_hits", "cas_badval"))
    check_classes("items", c.ask("stats items"), ("number", "age"))
    check_settings(Conn(a.host, a.port).ask("stats settings"), not a.memcached)
    for what in ("stats sizes", "stats conns"):
        is_("%s ends in END" % what, not c.ask(what)[None])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
