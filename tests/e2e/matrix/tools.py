#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""libmemcached's tools: tools.py HOST PORT LABEL text|binary"""
import os
import re
import subprocess
import sys
import tempfile

HOST, PORT, LABEL, PROTOCOL = sys.argv[1:]
SERVERS = "--servers=%s:%s" % (HOST, PORT)
BINARY = ["--binary"] if PROTOCOL == "binary" else []
SLOWER = int(os.environ.get("KFC_SLOWER", 1))
failed = 0


def is_(name, got, want=True):
    global failed
    if got == want:
        print("ok %s: %s" % (LABEL, name), flush=True)
    else:
        failed += 1
        print("not ok %s: %s - got %.120r, not %.120r" % (LABEL, name, got, want), flush=True)


def run(tool, *args, plain=False, cwd=None):
    """Exit code and output."""
    try:
        p = subprocess.run([tool, SERVERS] + ([] if plain else BINARY) + list(args), timeout=60 * SLOWER,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=cwd,
                           stderr=subprocess.PIPE)
    except subprocess.TimeoutExpired:
        return "no end", b""
    return p.returncode, p.stdout


def code(tool, *args, **more):
    return run(tool, *args, **more)[0]


def capable():
    """memccapable: its 27 tests as one of ours each."""
    p = subprocess.run(["memccapable", "-h", HOST, "-p", PORT, "-b" if BINARY else "-a", "-t",
                        str(20 * SLOWER)], timeout=120 * SLOWER, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out = p.stdout.decode(errors="replace")
    for name, what in re.findall(r"^(?:ascii|binary) (.+?)\s+\[(pass|FAIL)\]", out, re.M):
        is_("memccapable " + name, what, "pass")
    is_("memccapable, all 27", [p.returncode, out.count("[pass]"), out.rstrip().splitlines()[-1:]],
        [0, 27, ["All tests passed"]])


def tools(d):
    def path(name):
        return os.path.join(d, name)

    def content(name):
        try:
            with open(path(name), "rb") as f:
                return f.read()
        except FileNotFoundError:
            return None

    files = {"one": b"1" * 1000, "two": b"line\r\nline\r\n", "zero": b"",
             "large": os.urandom(200000)}
    for name, data in files.items():
        with open(path(name), "wb") as f:
            f.write(data)
    is_("memcping", code("memcping", plain=True), 0)
    is_("memcflush", code("memcflush"), 0)
    is_("memccp", code("memccp", *(path(n) for n in files)), 0)
    for name, data in files.items():
        rc = code("memccat", "--file=" + path("back"), name)
        is_("memccat %s" % name, [rc, content("back") == data], [0, True])
    is_("memccat of two", run("memccat", "two", "one")[1],
        files["two"] + b"\n" + files["one"] + b"\n")
    is_("memccat of nothing", code("memccat", "no") != 0)
    is_("memcexist", [code("memcexist", "one"), code("memcexist", "no") != 0], [0, True])
    is_("memccp --flag", [code("memccp", "--flag=77", path("one")),
                          run("memccat", "--flags", "one")[1]], [0, b"77\n" + files["one"] + b"\n"])
    is_("memccp --add of what is there", code("memccp", "--add", path("one")) != 0)
    is_("memccp --replace", code("memccp", "--replace", path("one")), 0)
    is_("memccp --expire", [code("memccp", "--expire=1000", path("one")),
                            code("memcexist", "one")], [0, 0])
    is_("memctouch", [code("memctouch", "--expire=1000", "one"),
                      code("memctouch", "--expire=1000", "no") != 0], [0, True])
    is_("memcrm", [code("memcrm", "one"), code("memcexist", "one") != 0, code("memcexist", "two")],
        [0, True, 0])
    rc, out = run("memcstat")
    is_("memcstat", [rc, b"curr_items:" in out and b"cmd_set:" in out], [0, True])
    rc, out = run("memcstat", "settings")
    is_("memcstat settings", [rc, b"maxconns:" in out], [0, True])
    is_("memcstat --server-version", code("memcstat", "--server-version"), 0)
    if not BINARY:	# it has no --binary
        rc, out = run("memcdump")
        is_("memcdump", [rc, {b"two", b"zero"} - set(out.split())], [0, set()])
    is_("memcflush, and all is gone", [code("memcflush"), code("memcexist", "two") != 0], [0, True])


capable()
with tempfile.TemporaryDirectory() as folder:
    tools(folder)
sys.exit(1 if failed else 0)
