#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Python's memcached clients, each with its whole API.

    clients.py HOST PORT LABEL pymemcache|pylibmc|pylibmc-binary|bmemcached [--filler MIB]

With --filler their objects are pushed out to the device before they are read.
"""
import argparse
import sys
import time

from objects import Conn, Objects

FAILED = 0


class Checks:
    def __init__(self, a):
        self.a = a

    def __call__(self, name, got, want=True):
        global FAILED
        if got == want:
            print("ok %s: %s" % (self.a.label, name), flush=True)
        else:
            FAILED += 1
            print("not ok %s: %s - got %.120r, not %.120r" % (self.a.label, name, got, want),
                  flush=True)

    def push(self):
        n = self.a.filler << 20
        if not n:
            return
        o = Objects(78, "30000-60000", "fill-")
        c = Conn(self.a.host, self.a.port)
        i = 0
        while n > 0:
            d = o.set_cmd(i)
            c.send(d)
            if c.line() != b"STORED":
                raise SystemExit("not ok %s: filler was not stored" % self.a.label)
            n -= len(d)
            i += 1
        c.close()


def pymemcache_api(a, is_):
    from pymemcache.client.base import Client, PooledClient
    from pymemcache.client.hash import HashClient
    from pymemcache.client.retrying import RetryingClient
    from pymemcache import serde
    from pymemcache.exceptions import (MemcacheClientError, MemcacheServerError,
                                       MemcacheUnknownCommandError)

    c = Client((a.host, a.port), connect_timeout=20, timeout=60, no_delay=True,
               default_noreply=False)
    is_("version", isinstance(c.version(), bytes))
    is_("flush_all", c.flush_all())
    is_("set", c.set("a", b"1" * 3000))
    is_("set_many", c.set_many({"m%d" % i: b"v%d" % i * 200 for i in range(50)}), [])
    is_("set_multi", c.set_multi({"x": b"y", "xx": b"yy"}), [])
    is_("set with expire and flags", c.set("f", b"flags", expire=1000, flags=77))
    is_.push()
    is_("get", c.get("a"), b"1" * 3000)
    is_("get with default", c.get("nope", b"dflt"), b"dflt")
    is_("get_many", c.get_many(["m%d" % i for i in range(0, 60)]),
        {"m%d" % i: b"v%d" % i * 200 for i in range(50)})
    is_("get_multi", c.get_multi(["x", "xx", "xxx"]), {"x": b"y", "xx": b"yy"})
    is_("gets", c.gets("x")[0], b"y")
    v, cas = c.gets("x")
    is_("cas", [c.cas("x", b"z", cas), c.cas("x", b"w", cas), c.cas("nope", b"w", cas)],
        [True, False, None])
    is_("gets_many", {k: v[0] for k, v in c.gets_many(["x", "xx", "no"]).items()},
        {"x": b"z", "xx": b"yy"})
    is_("add", [c.add("x", b"1"), c.add("new", b"1")], [False, True])
    is_("replace", [c.replace("new", b"2"), c.replace("no", b"2")], [True, False])
    is_("append, prepend", [c.append("new", b">"), c.prepend("new", b"<"), c.get("new"),
                            c.append("no", b"x"), c.prepend("no", b"x")],
        [True, True, b"<2>", False, False])
    is_("incr, decr", [c.set("n", b"41"), c.incr("n", 1), c.decr("n", 2), c.incr("no", 1),
                       c.decr("no", 1)], [True, 42, 40, None, None])
    is_("touch", [c.touch("n", 500), c.touch("no", 500)], [True, False])
    is_("delete", [c.delete("n"), c.delete("n"), c.get("n")], [True, False, None])
    is_("delete_many", [c.delete_many(["m1", "m2", "no"]), c.get_many(["m1", "m2", "m3"])],
        [True, {"m3": b"v3" * 200}])
    is_("delete_multi", [c.delete_multi(["m3"]), c.get("m3")], [True, None])
    is_("noreply", [c.set("q", b"7", noreply=True), c.incr("q", 3, noreply=True),
                    c.append("q", b"0", noreply=True), c.touch("q", 9, noreply=True),
                    c.delete("xx", noreply=True), c.get("q"), c.get("xx")],
        [True, None, True, True, True, b"100", None])
    s = c.stats()
    is_("stats", s[b"cmd_set"] > 50 and s[b"curr_connections"] >= 1)
    is_("stats settings", isinstance(c.stats("settings"), dict))
    try:
        c.cache_memlimit(int(c.stats()[b"limit_maxbytes"]) >> 20)
        is_("cache_memlimit", True)
    except (MemcacheUnknownCommandError, MemcacheClientError, MemcacheServerError):
        is_("cache_memlimit is refused", c.get("nope"), None)
    try:
        c.set("big", b"x" * (1 << 21))
        is_("a value too large raises", False)
    except MemcacheServerError as e:
        is_("a value too large raises", "too large" in str(e))
    except (ConnectionError, BrokenPipeError) as e:
        is_("a value too large raises", repr(e), "MemcacheServerError")
    try:
        c.incr("a", 1)
        c.incr("f", 1)
        is_("incr of text raises", False)
    except MemcacheClientError:
        is_("incr of text raises", True)
    is_("set with expiry", c.set("soon", b"1", expire=1))
    time.sleep(2.5)
    is_("and after it", c.get("soon"), None)
    is_("flush_all(delay)", c.flush_all(delay=1))
    time.sleep(2.5)
    is_("and after it all is gone", c.get_many(["a", "f", "q", "m9"]), {})
    c.quit()
    is_("after quit it connects again", c.set("a", b"b"))
    c.close()

    p = PooledClient((a.host, a.port), max_pool_size=4, serde=serde.pickle_serde, timeout=60)
    obj = {"list": list(range(100)), "none": None, "text": "\u00e4\u20ac"}
    is_("pool, pickled objects", [p.set("o", obj, noreply=False), p.get("o")], [True, obj])
    p.close()
    h = HashClient([(a.host, a.port)], use_pooling=True, timeout=60,
                   serde=serde.PickleSerde(pickle_version=2))
    is_("hashed", [h.set("z", "t" * 5000, noreply=False), h.get("z"),
                               h.set_many({"k%d" % i: str(i) for i in range(20)}, noreply=False),
                               h.get_many(["k3", "k19", "k20"])],
        [True, "t" * 5000, [], {"k3": "3", "k19": "19"}])
    h.close()
    r = RetryingClient(Client((a.host, a.port), timeout=60), attempts=3)
    is_("retrying", [r.set("r", b"1", noreply=False), r.get("r")], [True, b"1"])
    r.close()


def pylibmc_api(a, is_, binary=False):
    import pylibmc

    behaviors = {"tcp_nodelay": True, "cas": True}
    c = pylibmc.Client(["%s:%d" % (a.host, a.port)], binary=binary, behaviors=behaviors)

    def there(f, *args):
        """Of a key that is not there text says False, binary raises."""
        try:
            return f(*args)
        except pylibmc.NotFound:
            return False

    is_("flush_all", c.flush_all())
    is_("set", c.set("a", "x" * 3000))
    is_("set of objects", [c.set("i", 17), c.set("l", [1, {"2": 3.0}]), c.set("b", b"\0\xff"),
                           c.set("t", True), c.set("u", "\u00e4\u20ac")], [True] * 5)
    is_("set_multi", c.set_multi({"m%d" % i: "v%d" % i * 300 for i in range(50)}, time=1000,
                                 key_prefix="p-"), [])
    is_("compressed", c.set("c", "y" * 100000, min_compress_len=1000))
    is_.push()
    is_("get", c.get("a"), "x" * 3000)
    is_("get of objects", [c["i"], c["l"], c["b"], c["t"], c["u"]],
        [17, [1, {"2": 3.0}], b"\0\xff", True, "\u00e4\u20ac"])
    is_("get_multi", c.get_multi(["m%d" % i for i in range(60)], key_prefix="p-"),
        {"m%d" % i: "v%d" % i * 300 for i in range(50)})
    is_("get of a compressed value", c.get("c"), "y" * 100000)
    is_("get with default", c.get("no", "d"), "d")
    v, cas = c.gets("a")
    is_("gets, cas", [v, c.cas("a", "w", cas), c.cas("a", "z", cas), c.get("a")],
        ["x" * 3000, True, False, "w"])
    is_("add", [c.add("a", 1), c.add("new", "1")], [False, True])
    is_("add_multi", c.add_multi({"new": 1, "new2": 2}), ["new"])
    is_("replace", [c.replace("new", "2"), there(c.replace, "no", 1)], [True, False])
    is_("append, prepend", [c.append("new", ">"), c.prepend("new", "<"), c.get("new")],
        [True, True, "<2>"])
    is_("incr, decr", [c.incr("i"), c.incr("i", 10), c.decr("i", 20)], [18, 28, 8])
    c.set_multi({"i1": 1, "i2": 2})
    c.incr_multi(["i1", "i2"], delta=5)
    is_("incr_multi", c.get_multi(["i1", "i2"]), {"i1": 6, "i2": 7})
    try:
        c.incr("no")
        is_("incr of nothing raises", False)
    except pylibmc.NotFound:
        is_("incr of nothing raises", True)
    is_("touch", [c.touch("i", 1000), there(c.touch, "no", 1000)], [True, False])
    is_("delete", [c.delete("i"), there(c.delete, "i"), c.get("i")], [True, False, None])
    is_("delete_multi", [c.delete_multi(["m1", "m2"], key_prefix="p-"),
                         sorted(c.get_multi(["p-m1", "p-m2", "p-m3"]))], [True, ["p-m3"]])
    is_("in, del, mapping", ["new" in c, "no" in c], [True, False])
    c["k"] = "v"
    is_("item assignment", c["k"], "v")
    del c["k"]
    is_("item deletion", c.get("k"), None)
    s = c.get_stats()
    is_("stats", int(s[0][1]["cmd_set"]) > 50)
    try:
        c.set("big", "x" * (1 << 21), min_compress_len=0)
        is_("a value too large raises", False)
    except (pylibmc.TooBig, pylibmc.ServerError):
        is_("a value too large raises", True)
    except pylibmc.Error as e:
        is_("a value too large raises", repr(e), "TooBig or ServerError")
    c.disconnect_all()
    n = pylibmc.Client(["%s:%d" % (a.host, a.port)], binary=binary,
                       behaviors={"no_block": True, "tcp_nodelay": True})
    for i in range(500):
        n.set("nb%d" % i, i)
    is_("without blocking", [n.get("nb%d" % i) for i in range(0, 500, 7)], list(range(0, 500, 7)))
    pool = pylibmc.ClientPool(n, 3)
    with pool.reserve() as m:
        is_("pool", [m.set("pool", 1), m.get("pool")], [True, 1])
    is_("clone", c.clone().get("pool"), 1)
    is_("set with a time", c.set("soon", "1", time=1))
    time.sleep(2.5)
    is_("and after it", c.get("soon"), None)


def bmemcached_api(a, is_):
    import bmemcached

    where = ["%s:%d" % (a.host, a.port)]
    c = bmemcached.Client(where, socket_timeout=60)
    is_("flush_all", c.flush_all())
    is_("set", c.set("a", "1" * 3000))
    is_("set of objects", [c.set("i", 17), c.set("l", [1, {"2": 3.0}]), c.set("b", b"\0\xff"),
                           c.set("u", "\u00e4\u20ac")], [True] * 4)
    is_("set_multi", c.set_multi({"m%d" % i: "v%d" % i * 200 for i in range(50)}, time=1000), [])
    is_("compressed", c.set("c", "y" * 100000, compress_level=6))
    is_.push()
    is_("get", c.get("a"), "1" * 3000)
    is_("get of objects", [c.get("i"), c.get("l"), c.get("b"), c.get("u")],
        [17, [1, {"2": 3.0}], b"\0\xff", "\u00e4\u20ac"])
    is_("get of a compressed value", c.get("c"), "y" * 100000)
    is_("get of nothing", [c.get("no"), c.get("no", "d")], [None, "d"])
    is_("get_multi", c.get_multi(["m%d" % i for i in range(60)]),
        {"m%d" % i: "v%d" % i * 200 for i in range(50)})
    v, cas = c.gets("i")
    is_("gets, cas", [v, c.cas("i", 18, cas), c.cas("i", 19, cas), c.get("i")],
        [17, True, False, 18])
    g = c.get_multi(["m1", "no"], get_cas=True)
    is_("get_multi with CAS", [g["m1"][0][:4], g["m1"][1] > 0, len(g)], ["v1v1", True, 1])
    is_("add", [c.add("i", 1), c.add("new", "1")], [False, True])
    is_("replace", [c.replace("new", "2"), c.replace("no", "2")], [True, False])
    is_("incr, decr", [c.incr("n", 5, default=41), c.incr("n", 9), c.decr("n", 8),
                       c.decr("n", 100), c.decr("d", 1, default=7)], [41, 50, 42, 0, 7])
    is_("delete", [c.delete("new"), c.delete("new"), c.get("new")], [True, True, None])
    v, cas = c.gets("m2")
    is_("delete with CAS", [c.delete("m2", cas=cas + 1), c.delete("m2", cas=cas), c.get("m2")],
        [False, True, None])
    is_("delete_multi", [c.delete_multi(["m3", "m4"]), c.get_multi(["m3", "m4", "m5"])],
        [True, {"m5": "v5" * 200}])
    s = c.stats()[where[0]]
    is_("stats", int(s["cmd_set"]) > 50)
    try:
        c.set("big", bytes(range(256)) * 8192, compress_level=0)
        is_("a value too large raises", False)
    except bmemcached.exceptions.MemcachedException as e:
        is_("a value too large raises", e.code, 3)
    is_("and nothing is there", c.get("big"), None)
    c.disconnect_all()
    is_("after disconnect_all it connects again", c.get("i"), 18)
    d = bmemcached.DistributedClient(where, socket_timeout=60)
    is_("distributed", [d.set("z", "t" * 5000), d.get("z"), d.get_multi(["z", "i"]), d.delete("z")],
        [True, "t" * 5000, {"z": "t" * 5000, "i": 18}, True])
    is_("set with a time", c.set("soon", "1", time=1))
    time.sleep(2.5)
    is_("and after it", c.get("soon"), None)


APIS = {
    "pymemcache": pymemcache_api,
    "pylibmc": pylibmc_api,
    "pylibmc-binary": lambda a, is_: pylibmc_api(a, is_, binary=True),
    "bmemcached": bmemcached_api,
}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("host")
    p.add_argument("port", type=int)
    p.add_argument("label")
    p.add_argument("api", choices=APIS)
    p.add_argument("--filler", type=int, default=0)
    a = p.parse_args()
    APIS[a.api](a, Checks(a))
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
