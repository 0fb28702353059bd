#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""stats and its groups, as operators and exporters read them.

    stats.py HOST PORT
"""

import re
import socket
import struct
import sys

from slower import SLOWER

# What a dashboard or the memcached_exporter relies on.
GENERAL = """pid uptime time version pointer_size rusage_user rusage_system max_connections
    curr_connections total_connections rejected_connections listen_disabled_num accepting_conns
    cmd_get cmd_set cmd_flush cmd_touch get_hits get_misses get_expired get_flushed delete_hits
    delete_misses incr_hits incr_misses decr_hits decr_misses cas_hits cas_misses cas_badval
    touch_hits touch_misses bytes bytes_read bytes_written limit_maxbytes curr_items total_items
    evictions reclaimed store_too_large store_no_memory threads conn_yields idle_kicks""".split()
SETTINGS = """maxbytes maxconns tcpport udpport inter verbosity oldest evictions domain_socket
    num_threads cas_enabled detail_enabled auth_enabled_sasl auth_enabled_ascii item_size_max
    idle_timeout flush_enabled""".split()
SLABS = "cmd_set cas_hits cas_badval get_hits delete_hits incr_hits decr_hits touch_hits".split()

failed = 0


def test(good, name, why=""):
    global failed
    failed += not good
    print(f"ok {name}" if good else f"not ok {name} - {why}")


class Conn:
    def __init__(self, host, port):
        self.s = socket.create_connection((host, port), timeout=10 * SLOWER)
        self.f = self.s.makefile("rb")

    def ask(self, line, end=("END", "RESET", "OK", "ERROR", "STORED", "DELETED", "NOT_FOUND")):
        self.s.sendall(line.encode() + b"\r\n")
        lines = []
        while True:
            got = self.f.readline().decode()
            if not got.endswith("\r\n"):
                raise EOFError(line)
            lines.append(got[:-2])
            if lines[-1].split(" ")[0] in end or lines[-1].startswith("CLIENT_ERROR"):
                return lines

    def stats(self, group=""):
        lines = self.ask(f"stats {group}".rstrip())
        test(lines[-1] == "END", f"stats {group}: ends in END", lines[-1])
        bad = [x for x in lines[:-1] if not re.fullmatch(r"STAT \S+ \S+", x)]
        test(not bad, f"stats {group}: every line has three fields", bad[:3])
        got = [tuple(x.split(" ")[1:]) for x in lines[:-1]]
        test(len({k for k, _ in got}) == len(got), f"stats {group}: no name comes twice")
        return dict(got)

    def binary(self, op, key=b""):
        """All packets up to the first without a key: their (status, key, value)."""
        self.s.sendall(struct.pack(">BBHBBHIIQ", 0x80, op, len(key), 0, 0, 0, len(key), 7, 0) + key)
        packets = []
        while True:
            h = struct.unpack(">BBHBBHIIQ", self.f.read(24))
            body = self.f.read(h[6])
            packets.append((h[5], body[h[3]:h[3] + h[2]], body[h[3] + h[2]:]))
            if not packets[-1][1]:
                return packets


def missing(got, names):
    return " ".join(n for n in names if n not in got)


def main():
    host, port = sys.argv[1], int(sys.argv[2])
    c = Conn(host, port)

    test(c.stats("items") == {}, "stats items: nothing while it is empty")
    test(c.stats("slabs").get("active_slabs") == "0", "stats slabs: no class while it is empty")
    for k in ("a:1", "a:2", "b:1", "plain"):
        c.ask(f"set {k} 0 0 5\r\n12345")
    c.ask("get a:1 none")
    c.ask("delete b:1")
    general = c.stats()
    test(not missing(general, GENERAL), "stats: all that exporters want", missing(general, GENERAL))
    test(general.get("curr_items") == "3", "stats: curr_items", general.get("curr_items"))
    for n in ("rusage_user", "rusage_system"):
        test(re.fullmatch(r"\d+\.\d+", general.get(n, "")), f"stats: {n} has one dot")

    settings = c.stats("settings")
    test(not missing(settings, SETTINGS), "stats settings: all of them", missing(settings, SETTINGS))
    odd = [k for k, v in settings.items() if v in ("true", "false", "0/1")]
    test(not odd, "stats settings: yes and no", odd)

    items, slabs = c.stats("items"), c.stats("slabs")
    test(items.get("items:1:number") == "3", "stats items: number", items)
    test(not missing(slabs, [f"1:{n}" for n in SLABS]), "stats slabs: class 1",
         missing(slabs, [f"1:{n}" for n in SLABS]))
    test(slabs.get("1:cmd_set") == general.get("cmd_set") and
         slabs.get("1:get_hits") == general.get("get_hits"), "stats slabs: the same numbers")
    test(c.stats("sizes") == {"sizes_status": "disabled"}, "stats sizes")

    # connections
    more = [Conn(host, port) for _ in range(30)]
    for m in more:
        m.ask("get x")
    conns = c.stats("conns")
    ids = {k.split(":")[0] for k in conns if conns[k] == "conn_parse_cmd"}
    test(len(ids) == 31, "stats conns: each connection is there", len(ids))
    peers = {conns.get(f"{i}:addr") for i in ids}
    ours = {"tcp:%s:%d" % m.s.getsockname() for m in more + [c]}
    test(peers == ours, "stats conns: with its peer's address", list(peers ^ ours)[:3])
    test({conns.get(f"{i}:listen_addr") for i in ids} == {f"tcp:{host}:{port}"},
         "stats conns: and ours")
    test("conn_listening" in conns.values(), "stats conns: the listener, too")
    more[0].s.sendall(b"set big 0 0 100000\r\nxxx")
    more[1].s.close()
    more[1].f.close()
    for _ in range(50):
        states = sorted(v for k, v in c.stats("conns").items() if k.endswith(":state"))
        if states.count("conn_nread") == 1 and states.count("conn_parse_cmd") == 29:
            break
    test(states.count("conn_nread") == 1, "stats conns: one that receives a value", states)
    test(states.count("conn_parse_cmd") == 29, "stats conns: one has gone", states)

    # prefixes
    test(c.ask("stats detail dump") == ["END"], "stats detail: off at first")
    c.ask("stats detail on")
    c.ask("get a:1 a:9 plain")
    c.ask("set a:3 0 0 1\r\nx")
    c.ask("delete a:3")
    test(c.ask("stats detail dump") == ["PREFIX a get 2 hit 1 set 1 del 1", "END"],
         "stats detail: counts by prefix", c.ask("stats detail dump"))
    c.ask("stats detail off")
    test(c.stats("settings").get("detail_enabled") == "no", "stats detail: off again")

    # binary
    b = Conn(host, port)
    got = {k.decode(): v.decode() for s, k, v in b.binary(0x10) if k}
    test(not missing(got, GENERAL), "binary stat: all of them", missing(got, GENERAL))
    got = b.binary(0x10, b"conns")
    test(sum(v == b"conn_parse_cmd" for _, _, v in got) == 30, "binary stat conns: a part at a time",
         len(got))
    test(b.binary(0x10, b"nonsense")[0][0] == 1, "binary stat: an unknown group")
    test(b.binary(0x10, b"reset") == [(0, b"", b"")], "binary stat reset")

    test(c.ask("stats nonsense") == ["ERROR"], "stats nonsense")
    general = c.stats()
    test(general.get("cmd_set") == "0" and general.get("curr_items") == "3",
         "stats reset: counters go, gauges stay")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
