#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""nutcracker (twemproxy) in front of two servers, and a client in front of it.

    twemproxy.py NUTCRACKER LABEL HOST:PORT HOST:PORT
"""
import socket
import subprocess
import sys
import tempfile
import time

from pymemcache.client.base import Client
from pymemcache.exceptions import MemcacheServerError

NUTCRACKER, LABEL, FIRST, SECOND = sys.argv[1:]
failed = 0


def is_(name, got, want=True):
    global failed
    if got == want:
        print("ok %s: %s" % (LABEL, name), flush=True)
    else:
        failed += 1
        print("not ok %s: %s - got %.120r, not %.120r" % (LABEL, name, got, want), flush=True)


def client(addr):
    return Client(addr, connect_timeout=20, timeout=60, no_delay=True, default_noreply=False)


def address(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


def free_ports(n):
    socks = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in socks]
    for s in socks:
        s.close()
    return ports


def proxy(d):
    """Start it; its process and port."""
    port, stats = free_ports(2)
    with open(d + "/conf", "w") as f:
        f.write("pool:\n  listen: 127.0.0.1:%d\n  hash: murmur\n  distribution: ketama\n"
                "  timeout: 60000\n  preconnect: true\n  server_connections: 2\n  servers:\n"
                "   - %s:1 one\n   - %s:1 two\n" % (port, FIRST, SECOND))
    p = subprocess.Popen([NUTCRACKER, "-c", d + "/conf", "-o", d + "/log", "-s", str(stats),
                          "-a", "127.0.0.1", "-m", "16384"], stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 2).close()
            return p, port
        except OSError:
            if p.poll() is not None:
                break
            time.sleep(0.1)
    with open(d + "/log") as f:
        raise SystemExit("not ok %s: it starts - %s" % (LABEL, f.read()[-200:]))


def api(c, servers):
    many = {"k%d" % i: b"v%d" % i * 50 for i in range(200)}
    is_("set", c.set("a", b"1" * 3000))
    is_("set_many", c.set_many(many), [])
    is_("get", c.get("a"), b"1" * 3000)
    is_("get_many of both", c.get_many(list(many) + ["no"]), many)
    there = [len(s.get_many(list(many))) for s in servers]
    is_("each server has its share", [min(there) > 20, sum(there)], [True, 200])
    v, cas = c.gets("a")
    is_("gets, cas", [v, c.cas("a", b"w", cas), c.cas("a", b"z", cas), c.cas("no", b"z", cas)],
        [b"1" * 3000, True, False, None])
    is_("gets_many", {k: v[0] for k, v in c.gets_many(["k1", "k2", "k3", "no"]).items()},
        {k: many[k] for k in ("k1", "k2", "k3")})
    is_("add", [c.add("a", b"1"), c.add("new", b"1")], [False, True])
    is_("replace", [c.replace("new", b"2"), c.replace("no", b"2")], [True, False])
    is_("append, prepend", [c.append("new", b">"), c.prepend("new", b"<"), c.get("new"),
                            c.append("no", b"x")], [True, True, b"<2>", False])
    is_("incr, decr", [c.set("n", b"41"), c.incr("n", 1), c.decr("n", 2), c.incr("no", 1)],
        [True, 42, 40, None])
    is_("touch", [c.touch("n", 500), c.touch("no", 500)], [True, False])
    is_("delete", [c.delete("n"), c.delete("n"), c.get("n")], [True, False, None])
    is_("a large value", [c.set("big", b"0123456789" * 50000), c.get("big")],
        [True, b"0123456789" * 50000])
    try:
        c.set("big", b"x" * (1 << 21))
        is_("a value too large raises", False)
    except (MemcacheServerError, ConnectionError, OSError):
        is_("a value too large raises", True)
    c.close()
    is_("and then it goes on", c.get("k1"), many["k1"])
    is_("an empty value", [c.set("e", b""), c.get("e")], [True, b""])
    is_("bytes of any kind", [c.set("b", bytes(range(256)) * 4), c.get("b")],
        [True, bytes(range(256)) * 4])
    c.quit()
    is_("after quit it connects again", c.get("a"), b"w")


with tempfile.TemporaryDirectory() as folder:
    process, port = proxy(folder)
    try:
        servers = [client(address(a)) for a in (FIRST, SECOND)]
        for s in servers:
            s.flush_all()
        api(client(("127.0.0.1", port)), servers)
        for s in servers:
            s.close()
    finally:
        process.kill()
        process.wait()
sys.exit(1 if failed else 0)
