#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Memcached's clients, each with its whole API, against a server.

    matrix.py HOST:PORT [--memcached HOST:PORT] [--nutcracker PATH --second HOST:PORT]
              [--table FILE] [--only NAME]

What they say of the server, "ok CLIENT: FEATURE" or "not ok", is passed on and decides the
exit code. The same against a memcached is for comparison: its failures are told in # lines.
The table, in markdown, is made from both.
"""
import argparse
import collections
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = ["/usr/bin/python3", "-B"]
SLOWER = int(os.environ.get("KFC_SLOWER", 1))
LINE = re.compile(r"^(not ok|ok) [^:]+: (.*)$")

Client = collections.namedtuple("Client", "name package protocol command")


def clients(nutcracker):
    """In their commands HOST, PORT and LABEL stand for themselves, SECOND for the other server
    and ADDR for HOST:PORT."""
    def python(api):
        return PYTHON + [HERE + "/../clients.py", "HOST", "PORT", "LABEL", api]

    def ours(interpreter, name, *more):
        return interpreter + [HERE + "/" + name, "HOST", "PORT", "LABEL", *more]

    all_of_them = [
        Client("pymemcache", "python3-pymemcache", "text", python("pymemcache")),
        Client("pylibmc", "python3-pylibmc", "text", python("pylibmc")),
        Client("pylibmc-binary", "python3-pylibmc", "binary", python("pylibmc-binary")),
        Client("binary-memcached", "python3-binary-memcached", "binary", python("bmemcached")),
        Client("Cache::Memcached::Fast", "libcache-memcached-fast-perl", "text",
               ours(["/usr/bin/perl"], "fast.pl")),
        Client("php-memcached", "php-memcached", "text",
               ours(["/usr/bin/php"], "memcached.php", "text")),
        Client("php-memcached-binary", "php-memcached", "binary",
               ours(["/usr/bin/php"], "memcached.php", "binary")),
        Client("dalli", "ruby-dalli", "binary", ours(["/usr/bin/ruby"], "dalli.rb")),
        Client("libmemcached-tools", "libmemcached-tools", "text", ours(PYTHON, "tools.py", "text")),
        Client("libmemcached-tools-binary", "libmemcached-tools", "binary",
               ours(PYTHON, "tools.py", "binary")),
    ]
    if nutcracker:
        all_of_them.append(Client("nutcracker", "nutcracker", "text, two servers", PYTHON + [
            HERE + "/twemproxy.py", nutcracker, "LABEL", "ADDR", "SECOND"]))
    return all_of_them


def run(client, addr, second):
    """(feature, whether it works, the line) of each, in their order."""
    host, _, port = addr.rpartition(":")
    words = {"HOST": host, "PORT": port, "LABEL": client.name.replace("::", "-"), "ADDR": addr,
             "SECOND": second}
    try:
        p = subprocess.run([words.get(w, w) for w in client.command], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=100 * SLOWER)
        rc, out = p.returncode, p.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as e:
        rc, out = "no end in %d s" % e.timeout, (e.stdout or b"").decode(errors="replace")
    got = []
    for line in out.splitlines():
        m = LINE.match(line)
        if m:
            got.append((m.group(2).partition(" - ")[0], m.group(1) == "ok", line))
    if rc and all(g[1] for g in got) or not got:
        last = (out.strip().splitlines() or ["it said nothing"])[-1]
        got.append(("all of it", False, "not ok %s: all of it - exit %s: %s" % (
            words["LABEL"], rc, last[:200])))
    return got


def version(client):
    if client.name == "nutcracker":		# is only unpacked
        out = subprocess.run([client.command[3], "-V"], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT).stdout
        return (re.findall(rb"nutcracker-([0-9.]+)", out) or [b"?"])[0].decode()
    return subprocess.run(["dpkg-query", "-W", "-f", "${Version}", client.package],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()


def of(got):
    if got is None:
        return ""
    good = sum(g[1] for g in got)
    return "all %d" % good if good == len(got) else "%d of %d" % (good, len(got))


def table(rows):
    out = ["| client | package | protocol | kfatcache | memcached 1.6.18 |",
           "| --- | --- | --- | --- | --- |"]
    for client, ours, theirs in rows:
        out.append("| %s | %s %s | %s | %s | %s |" % (
            client.name.removesuffix("-binary"), client.package, version(client),
            client.protocol, of(ours), of(theirs)))
    return "\n".join(out) + "\n"


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("server")
    p.add_argument("--memcached")
    p.add_argument("--nutcracker")
    p.add_argument("--second", help="the other server behind nutcracker")
    p.add_argument("--table")
    p.add_argument("--only")
    a = p.parse_args()
    rows, bad = [], 0
    with ThreadPoolExecutor(2) as pool:
        for c in clients(a.nutcracker):
            if a.only and a.only != c.name:
                continue
            start = time.monotonic()
            ours = pool.submit(run, c, a.server, a.second)
            if c.name == "nutcracker":		# the other server is the same for both
                ours.result()
            theirs = pool.submit(run, c, a.memcached, a.second) if a.memcached else None
            ours = ours.result()
            for feature, good, line in ours:
                print(line, flush=True)
                bad += not good
            theirs = theirs.result() if theirs else None
            for feature, good, line in theirs or ():
                if not good:
                    print("# memcached: %s" % line, flush=True)
            if theirs is not None:
                lost = {t[0] for t in theirs} - {o[0] for o in ours}
                if lost:
                    print("# told of memcached alone: %s" % ", ".join(sorted(lost)))
            print("# %s: %.0f s" % (c.name, time.monotonic() - start), flush=True)
            rows.append((c, ours, theirs))
    if a.table:
        with open(a.table, "w") as f:
            f.write(table(rows))
    print(table(rows).replace("|", "# |", 1).replace("\n|", "\n# |"), end="", flush=True)
    return 1 if bad or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
