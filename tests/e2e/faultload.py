# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Load the module again and again, each time with another allocation failing.

    faultload.py KO ROUNDS [-- NAME FIRST STEP MIN_ORDER PARAM=VALUE...]...

For each NAME: the FIRSTth that loading does, STEP behind it, and so on, ROUNDS loads at most
or until there are no more; pages count where there are 2^MIN_ORDER of them. Each load has to
be refused with ENOMEM (ENFILE by a socket that has no inode, EADDRINUSE by a port that has
no bucket), or go well without what it did not get and be unloaded; nothing may be left of it.
The device is claimed again by the next.

/proc/self/fail-nth counts what /sys/kernel/debug/fail* are told to count, and is 0 when one
has failed. The kernel's log does not tell: some allocations fail silently, by __GFP_NOWARN.
"""
import ctypes
import errno
import glob
import os
import re
import sys

FINIT_MODULE, DELETE_MODULE = 313, 176      # x86_64
NAME = "kfatcache"
LEFT = {
    "/proc/modules": rf"^{NAME} .*",
    "/proc/slabinfo": r"^kfc_\S*",
    # a caller that is a bare number lies in a module that is gone
    "/proc/vmallocinfo": rf"^\S+ +\d+ (?:kfc_|{NAME}|0x).*",
}
libc = ctypes.CDLL(None, use_errno=True)


def syscall(*args):
    """Returns an errno."""
    return ctypes.get_errno() if libc.syscall(*args) else 0


def read(path):
    try:
        with open(path) as f:
            return f.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def left():
    """What a module that is gone has left."""
    found = [m for path, what in LEFT.items() for m in re.findall(what, read(path), re.M)]
    found += [t for t in map(read, glob.glob("/proc/[0-9]*/comm")) if t.startswith((NAME, "kfc"))]
    found += [p for p in (f"/proc/{NAME}",) if os.path.exists(p)]
    return found


def load(fd, params, nth):
    """Returns the errno, and whether an allocation has failed."""
    fail_nth = "/proc/self/fail-nth"
    with open(fail_nth, "wb", buffering=0) as f:
        f.write(b"%d" % nth)
        err = syscall(FINIT_MODULE, fd, params, 0)
        left_over = int(read(fail_nth))
        f.write(b"0")
    return err, left_over == 0


def series(fd, rounds, name, first, step, min_order, *params):
    """Returns whether all was well."""
    first, step = int(first), int(step)
    params = " ".join(params).encode()
    with open("/sys/kernel/debug/fail_page_alloc/min-order", "w") as f:
        f.write(min_order)
    refused = without = 0
    ended = False
    wrong = []
    nth = first
    for _ in range(rounds):
        err, failed = load(fd, params, nth)
        if not err:
            err = syscall(DELETE_MODULE, NAME.encode(), os.O_NONBLOCK)
            if err:
                wrong.append(f"allocation {nth}: rmmod: {os.strerror(err)}")
                break
            if not failed:
                ended = True
                break
            without += 1
        elif failed and err in (errno.ENOMEM, errno.ENFILE, errno.EADDRINUSE):
            refused += 1
        else:
            wrong.append(f"allocation {nth}: {os.strerror(err)}")
        wrong += [f"allocation {nth}: left: {x}" for x in left()]
        nth += step
    print("\n".join(wrong))
    print(f"# {name}: {refused} loads refused, {without} without it, the last at {nth - step}"
          + (", and there are no more" if ended else ""))
    for good, what in ((not wrong, "each load ends as if it had not been"),
                       (refused + without > 5, "there were some to fail")):
        print(f"ok {name}: {what}" if good else f"not ok {name}: {what} - {wrong[:1]}", flush=True)
    return not wrong and refused + without > 5


def main():
    fd = os.open(sys.argv[1], os.O_RDONLY | os.O_CLOEXEC)
    rounds, words = int(sys.argv[2]), sys.argv[3:]
    good = True
    while words:
        end = words.index("--", 1) if "--" in words[1:] else len(words)
        good &= series(fd, rounds, *words[1:end])
        words = words[end:]
    return not good


sys.exit(main())
