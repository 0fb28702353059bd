#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Parameters and devices, right and wrong. Run by 10-params.sh, in a guest.

params.py KO PORT DEV DIR: KO is loaded over and over, DEV an NVMe disk of 2048
MiB that may be wiped, DIR a folder in memory.
"""

import ctypes
import errno
import fcntl
import os
import re
import socket
import stat
import subprocess
import sys

from slower import SLOWER

KO, PORT, DEV, DIR = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
IMG = f"{DIR}/image"
MIB = 1 << 20
OTHER = "01234567-89ab-cdef-0123-456789abcdef"

CPUS = os.cpu_count()
SYS_FINIT_MODULE, SYS_DELETE_MODULE = 313, 176      # x86-64
LOOP_SET_CAPACITY, BLKFLSBUF, BLKROSET = 0x4c07, 0x1261, 0x125d

libc = ctypes.CDLL(None, use_errno=True)
kmsg = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
os.lseek(kmsg, 0, os.SEEK_END)


def result(name, why=""):
    print(f"not ok {name} - {why}" if why else f"ok {name}", flush=True)


def same(name, got, want):
    result(name, "" if got == want else f"got {got!r}, not {want!r}")


# ------------------------------------------------------------- the module

def said():
    """The module's lines since the last call."""
    lines = []
    while True:
        try:
            record = os.read(kmsg, 8192).decode(errors="replace")
        except BlockingIOError:
            return lines
        except OSError as e:
            if e.errno != errno.EPIPE:      # some were overwritten
                raise
            continue
        text = record.split(";", 1)[1].split("\n")[0]
        if text.startswith("kfatcache: ") and "taint" not in text:
            lines.append(text[11:])


def insmod(*params):
    """0 or the errno."""
    fd = os.open(KO, os.O_RDONLY | os.O_CLOEXEC)
    words = " ".join((f"port={PORT}",) + params).encode()
    rc = libc.syscall(SYS_FINIT_MODULE, fd, words, 0)
    err = ctypes.get_errno()
    os.close(fd)
    return err if rc else 0


def rmmod():
    if libc.syscall(SYS_DELETE_MODULE, b"kfatcache", os.O_NONBLOCK):
        return errno.errorcode[ctypes.get_errno()]
    return ""


def loaded():
    return os.path.exists("/sys/module/kfatcache")


def setting(name):
    with open("/proc/kfatcache/settings") as f:
        return dict(line.split() for line in f).get(name)


def ask(line):
    with socket.create_connection(("127.0.0.1", int(PORT)), timeout=10 * SLOWER) as s:
        s.sendall(line.encode() + b"\r\nquit\r\n")
        return s.makefile("rb").read().decode().strip()


def claimable(path):
    """As a mount or mkfs would open it."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_EXCL))
        return True
    except OSError:
        return False


def refused(name, err, regex, *params, claimed=False):
    """That is the errno, the regex finds the one line, and nothing is left."""
    name = f"{name}: {err}"
    said()
    got = insmod(*params)
    lines = said()
    why = []
    if not got:
        rmmod()
        return result(name, "it was loaded")
    if errno.errorcode[got] != err:
        why.append(f"errno {errno.errorcode[got]}")
    if len(lines) != 1:
        why.append(f"{len(lines)} lines")
    if not any(re.search(regex, line) for line in lines):
        why.append("it said " + "; ".join(lines))
    if loaded() or os.path.exists("/proc/kfatcache"):
        why.append("something is left")
    if f"device={loop.path}" in params and not claimed and not claimable(loop.path):
        why.append("the device is still claimed")
    return result(name, ", ".join(why))


def untouched(name, err, regex, *params):
    """Refused, and the loop device holds what it held."""
    before = loop.snapshot()
    refused(name, err, regex, f"device={loop.path}", *params)
    same(f"{name}: nothing written", loop.snapshot() == before, True)


def takes(name, *params):
    """It loads and unloads. Returns the uuid and what it said."""
    said()
    err = insmod("memory_mb=32", *params)
    lines = said()
    if err:
        result(name, f"{errno.errorcode[err]}: {'; '.join(lines)}")
        return "", ""
    uuid = setting("kfc_uuid")
    result(name, rmmod())
    return uuid, "\n".join(lines)


# ------------------------------------------------------------- devices

def run(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=True, text=True).stdout.strip()


class Loop:
    """A loop device over a file in memory."""

    def __init__(self):
        self.path = None
        self.attach(64)

    def attach(self, mib=None, *options):
        if self.path:
            run("losetup", "-d", self.path)
        if mib is not None:
            with open(IMG, "wb") as f:
                f.truncate(mib * MIB)
        self.path = run("losetup", "-f", "--show", *options, IMG)

    def ioctl(self, request, arg=0):
        fd = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, request, arg)
        finally:
            os.close(fd)

    def image(self, mib=64, old=False):
        """Zeros, or with old what is there, of another size."""
        if not old:
            os.truncate(IMG, 0)
        os.truncate(IMG, mib * MIB)
        self.ioctl(LOOP_SET_CAPACITY)
        self.ioctl(BLKFLSBUF)

    def size(self):
        return os.stat(IMG).st_size

    def put(self, at, data):
        """Through the page cache, as dd does; from the end where at < 0."""
        fd = os.open(self.path, os.O_RDWR)
        os.pwrite(fd, data, at if at >= 0 else self.size() + at)
        os.fsync(fd)
        os.close(fd)

    def get(self, at, n):
        with open(IMG, "rb") as f:
            f.seek(at, os.SEEK_SET if at >= 0 else os.SEEK_END)
            return f.read(n)

    def number(self, at):
        return int.from_bytes(self.get(at, 8), "little")

    def snapshot(self):
        """All that is not a hole."""
        data, at = {}, 0
        with open(IMG, "rb", buffering=0) as f:
            while True:
                try:
                    start = os.lseek(f.fileno(), at, os.SEEK_DATA)
                except OSError:
                    return data
                at = os.lseek(f.fileno(), start, os.SEEK_HOLE)
                for page in range(start, at, 4096):
                    piece = os.pread(f.fileno(), 4096, page)
                    if piece.strip(b"\0"):
                        data[page] = piece

    def restore(self, data, mib=64):
        with open(IMG, "r+b") as f:
            f.truncate(0)
            f.truncate(mib * MIB)
            for at, piece in data.items():
                f.seek(at)
                f.write(piece)
        self.ioctl(LOOP_SET_CAPACITY)
        self.ioctl(BLKFLSBUF)

    def queue(self, name, value):
        with open(f"/sys/block/{os.path.basename(self.path)}/queue/{name}", "w") as f:
            f.write(str(value))


# ------------------------------------------------------------- parameters

def numbers():
    for p, low, high in (
            ("port", 0, 65536), ("udp_port", -1, 65536), ("memory_mb", 3, 99999999),
            ("memory_min_mb", -1, 99999999),
            ("index_mb", -1, 99999999),
            ("slab_size", 0, 65), ("item_max", 1023, 16777216), ("threads", -1, 3),
            ("upload_mb", 0, 99999999), ("max_conns", 0, 1048577),
            ("idle_timeout", -1, 31536001), ("io_depth", 0, 4097),
            ("read_timeout_ms", 9, 600001), ("set_wait_ms", -1, 60001),
            ("dump_enabled", -1, 2), ("flush_enabled", -1, 2), ("discard", -1, 2),
            ("reinsert_pct", -1, 91)):
        for value in (low, high, "x1"):
            refused(f"{p}={value}", "EINVAL", f"^{p}={value}: .*allowed are [0-9]",
                    f"{p}={value}")
    refused("discard=1 without a device", "EINVAL", "^discard=1: there is no device=", "discard=1")
    refused("port= with nothing", "EINVAL", r"^port=\(nothing\): .*allowed", "port=")
    refused("port with no =", "EINVAL", r"^port=\(nothing\): .*allowed", "port")
    refused("a long one", "EINVAL", "^port=9{20,}: not a number", "port=" + "9" * 200)
    refused("slab_size=3", "EINVAL", "^slab_size=3: allowed are 1, 2, 4", "slab_size=3")
    refused("memory_mb below 4 slabs", "EINVAL", "^memory_mb=7: allowed are 8",
            "memory_mb=7")
    refused("memory_mb below 4 of those given", "EINVAL", "^memory_mb=15: allowed are 16",
            "memory_mb=15", "slab_size=4")
    refused("memory_min_mb above memory_mb", "EINVAL",
            "^memory_min_mb=33: allowed are 0 to memory_mb=32",
            "memory_mb=32", "memory_min_mb=33")
    refused("item_max above half a slab", "EINVAL",
            "^item_max=524289: allowed are 1024 to 524288", "slab_size=1", "item_max=524289")
    refused("upload_mb below item_max", "EINVAL", "^upload_mb=1: allowed are 2",
            "item_max=2000000", "upload_mb=1")
    refused("memory_mb above what slots can tell apart", "EINVAL",
            "^memory_mb=4194305: without a device at most 4194304 MiB", "memory_mb=4194305")
    refused("memory_mb above what there is", "ENOMEM",
            "[0-9]+ MiB, but only [0-9]+ MiB .*lower memory_mb=4096", "memory_mb=4096")


def others():
    refused("cpus=x", "EINVAL", "^cpus=x: not a list of CPUs; allowed are 0", "cpus=x")
    refused("cpus=77", "EINVAL", "^cpus=77: .*allowed are 0", "cpus=77")
    refused("threads above cpus", "EINVAL", "^threads=2: allowed are 1 to 1",
            "threads=2", f"cpus={CPUS - 1}")
    for bad in ("nowhere", "300.1.1.1", "", "127.0.0.1,", ",".join(["::1"] * 9)):
        refused(f"listen={bad}", "EINVAL", f"^listen={bad}: allowed are up to 8",
                f"listen={bad}")
    refused("listen: another machine", "EADDRNOTAVAIL", "cannot listen on 192.0.2.1",
            "listen=192.0.2.1")
    for bad in ("sock", "", "@sock", "/" + "x" * 107):
        refused(f"unix={bad}", "EINVAL", f"^unix={bad}: allowed are absolute paths of up to 107",
                f"unix={bad}")
    for bad in ("8", "01000", "x", "", "-1", "rw"):
        refused(f"unix_mode={bad}", "EINVAL", f"^unix_mode={bad}: allowed are 0 to 0777, octal",
                f"unix={DIR}/sock", f"unix_mode={bad}")
    refused("unix_mode without unix", "EINVAL", "^unix_mode=700: there is no unix=",
            "unix_mode=700")
    udp = f"udp_port={PORT}"
    for bad in ("", "x", "10.0.0.0/7", "::/0", "10.0.0.0/33", "10.0.0.0/+8", "10.0.0.1,",
                ",".join(["10.0.0.1"] * 17)):
        refused(f"udp_peers={bad}", "EINVAL", f"^udp_peers={re.escape(bad)}: allowed are up to 16",
                udp, f"udp_peers={bad}")
    refused("udp_peers without udp_port", "EINVAL", "^udp_peers=10.0.0.1: there is no udp_port=",
            "udp_peers=10.0.0.1")
    for bad in ("0.0.0.0", "10.9.8.7", "::", "127.0.0.1,fd00:9::7"):
        refused(f"udp_port with listen={bad}", "EINVAL",
                f"^{udp}: listen={bad} is more than loopback, so udp_peers=", udp, f"listen={bad}")
    with open(f"{DIR}/users", "w") as f:
        f.write("u:p\n")
    refused("udp_port with auth_file", "EINVAL",
            f"^{udp}: nobody can authenticate over UDP", udp, f"auth_file={DIR}/users")
    refused("format=yes", "EINVAL", "^format=yes: allowed are force and new", "format=yes")
    refused("uuid=5", "EINVAL", "^uuid=5: not a UUID", "uuid=5")
    refused("uuid without a device", "EINVAL", "^uuid=.*there is no device=", f"uuid={OTHER}")
    with socket.create_server(("127.0.0.1", PORT)):
        refused("a port in use", "EADDRINUSE", f"cannot listen on 127.0.0.1:{PORT}")
    takes("a port free again")


def defaults():
    said()
    if insmod():
        return result("no parameter but port", "; ".join(said()))
    same("one line at load", len(said()), 1)
    for name, key, want in (
            ("port", "tcpport", str(PORT)), ("memory_mb", "maxbytes", str(64 << 20)),
            ("listen", "inter", "127.0.0.1"), ("max_conns", "maxconns", "1024"),
            ("idle_timeout", "idle_timeout", "0"), ("threads", "num_threads", str(CPUS)),
            ("item_max", "item_size_max", "1048576"),
            ("index_mb: 10 % of memory_mb", "kfc_index_bytes", "6710886")):
        same(f"default of {name}", setting(key), want)
    run_time()
    same("rmmod", rmmod(), "")
    if insmod("slab_size=1", f"cpus={CPUS - 1}"):
        return result("slab_size=1, one of cpus=", "; ".join(said()))
    same("item_max is a quarter of a slab", setting("item_size_max"), "262144")
    same("one of cpus=: one thread", setting("num_threads"), "1")
    same("one of cpus=: on that", setting("kfc_cpus"), str(CPUS - 1))
    return same("rmmod", rmmod(), "")


def run_time():
    """Writes to /sys/module/kfatcache/parameters."""
    top = "/sys/module/kfatcache/parameters"

    def write(name, value):
        fd = os.open(f"{top}/{name}", os.O_WRONLY)
        try:
            os.write(fd, f"{value}\n".encode())
        except OSError as e:
            return errno.errorcode[e.errno]
        finally:
            os.close(fd)
        return ""

    def read(name):
        with open(f"{top}/{name}") as f:
            return f.read().strip()

    for name, key, good, bad in (
            ("max_conns", "maxconns", 77, 0), ("idle_timeout", "idle_timeout", 60, "x"),
            ("io_depth", "kfc_io_depth", 128, 9999),
            ("read_timeout_ms", "kfc_read_timeout_ms", 500, 1),
            ("set_wait_ms", "kfc_set_wait_ms", 0, 60001),
            ("reinsert_pct", "kfc_reinsert_pct", 90, 91)):
        same(f"{name}={good} at run time", write(name, good), "")
        said()
        same(f"{name}={bad} at run time", write(name, bad), "EINVAL")
        lines = said()
        same(f"{name}={bad} at run time: one line", len(lines), 1)
        same(f"{name}={bad} at run time: what it says",
             bool(re.search(f"^{name}={bad}: .*allowed are", "".join(lines))), True)
        same(f"{name} at run time: shown", read(name), str(good))
        same(f"{name} at run time: counts", setting(key), str(good))
    same("flush_enabled=0 at run time", write("flush_enabled", 0), "")
    same("flush_enabled=0: stats settings", setting("flush_enabled"), "no")
    same("flush_enabled=0: flush_all", ask("flush_all 10"), "CLIENT_ERROR flush_all not allowed")
    same("flush_enabled=1 at run time", write("flush_enabled", 1), "")
    same("flush_enabled=1: stats settings", setting("flush_enabled"), "yes")
    same("flush_enabled=1: flush_all", ask("flush_all 10"), "OK")
    for name in os.listdir(top):
        want = 0o644 if name in ("max_conns", "idle_timeout", "io_depth", "read_timeout_ms",
                                 "set_wait_ms", "dump_enabled", "flush_enabled",
                                 "memory_mb", "memory_min_mb", "reinsert_pct",
                                 "auth_file") else 0o444
        same(f"mode of {name}", oct(stat.S_IMODE(os.stat(f"{top}/{name}").st_mode)), oct(want))


# ------------------------------------------------------------- devices, wrong and right

def paths():
    refused("device= with nothing", "EINVAL", "^device=: no path", "device=")
    refused("no such path", "ENOENT", "^device=/dev/nothing: no such path", "device=/dev/nothing")
    refused("a file", "ENOTBLK", "^device=/etc/passwd: a file.*losetup", "device=/etc/passwd")
    refused("a directory", "ENOTBLK", "^device=/dev: a directory.*losetup", "device=/dev")
    refused("a character device", "ENOTBLK", "^device=/dev/null: a character device",
            "device=/dev/null")
    os.symlink(DEV, f"{DIR}/link")
    refused("named twice", "EINVAL", "named twice", f"device={DEV},{DEV}")
    refused("named twice, by a link", "EINVAL", "named twice", f"device={DIR}/link,{DEV}")
    refused("named twice, and not there", "EINVAL", "named twice", "device=/dev/q,/dev/p,/dev/q")
    refused("nine devices", "EINVAL", "up to 8 devices",
            "device=" + ",".join(f"/dev/no{i}" for i in range(9)))
    refused("a comma too many", "EINVAL", "no path before or behind a comma", f"device={DEV},")
    refused("a second one that is not there", "ENOENT", "^device=/dev/no: no such path",
            f"device={DEV},/dev/no")
    refused("two devices, and memory for one", "EINVAL", "with 2 devices at least 32 MiB",
            f"device={DEV},{loop.path}", "memory_mb=16")
    said_at_load = takes("by a link", f"device={DIR}/link")[1]
    last = said_at_load.split("\n")[-1]
    same("the line at load: device, model, serial, size",
         bool(re.search(r"^nvme0n1 \(QEMU NVMe Ctrl, serial [^ ]+, 2048 MiB\)", last)), True)
    same("the line at load: slabs, objects, average, memory, address",
         bool(re.search(r"[0-9]+ slabs of 4 MiB; .* [0-9]+ objects.* [0-9]+ bytes on average"
                        rf".* [0-9]+ MiB of memory.*127\.0\.0\.1:{PORT}", last)), True)
    wipe_disk()


def wipe_disk():
    fd = os.open(DEV, os.O_RDWR)
    for at in (0, 2047 * MIB):
        os.pwrite(fd, bytes(MIB), at)
    os.fsync(fd)
    os.close(fd)


def in_use():
    loop.image()
    run("mkswap", loop.path)
    run("swapon", loop.path)
    refused("swap in use", "EBUSY", f"^device={loop.path}: in use", f"device={loop.path}",
            "format=force", claimed=True)
    run("swapoff", loop.path)
    loop.image()
    run("mkfs.ext4", "-q", loop.path)
    os.mkdir(f"{DIR}/mnt")
    for options in ("rw", "ro"):
        run("mount", "-o", options, loop.path, f"{DIR}/mnt")
        for more in ((), ("format=force",), ("format=new",)):
            refused(f"mounted {options} {' '.join(more)}", "EBUSY",
                    f"^device={loop.path}: in use", f"device={loop.path}", *more, claimed=True)
        run("umount", f"{DIR}/mnt")
    run("addpart", DEV, "1", "2048", "262144")
    run("mkfs.ext4", "-q", f"{DEV}p1")
    run("mount", f"{DEV}p1", f"{DIR}/mnt")
    refused("a partition of it mounted", "EBUSY", f"^device={DEV}: in use", f"device={DEV}",
            "format=force")
    run("umount", f"{DIR}/mnt")
    run("delpart", DEV, "1")
    fd = os.open(loop.path, os.O_RDONLY | os.O_EXCL)
    refused("claimed", "EBUSY", f"^device={loop.path}: in use", f"device={loop.path}",
            "format=force", claimed=True)
    os.close(fd)


def kinds():
    loop.image()
    loop.ioctl(BLKROSET, (1).to_bytes(4, "little"))
    untouched("set read-only", "EROFS", f"^device={loop.path}: read-only")
    loop.ioctl(BLKROSET, (0).to_bytes(4, "little"))
    loop.attach(None, "-r")
    untouched("a read-only loop device", "EROFS", f"^device={loop.path}: read-only")
    loop.attach(None, "-b", "4096")
    takes("logical blocks of 4 KiB", f"device={loop.path}")
    loop.attach(64)
    loop.queue("rotational", 1)
    lines = takes("a rotational disk", f"device={loop.path}")[1]
    same("a rotational disk: a remark", lines.count("a rotational disk"), 1)
    loop.queue("rotational", 0)
    run("modprobe", "null_blk", "nr_devices=1", "gb=1", "zoned=1", "zone_size=4",
        "memory_backed=1")
    refused("zoned", "ENOTSUP", "^device=/dev/nullb0: a zoned device", "device=/dev/nullb0")
    run("rmmod", "null_blk")


def sizes():
    least = 0
    for mib in (1, 2, 16):
        loop.image(mib)
        said()
        insmod(f"device={loop.path}")
        found = re.search(r"too small.* at least ([0-9]+) MiB", "".join(said()))
        least = int(found.group(1)) if found else 0
        untouched(f"{mib} MiB", "ENOSPC", "too small.* at least [0-9]+ MiB")
    for options in ((), ("slab_size=1",), ("slab_size=2", "index_mb=10")):
        name = " ".join(options) or "4 MiB slabs"
        said()
        insmod(f"device={loop.path}", *options)
        found = re.search(r"at least ([0-9]+) MiB", "".join(said()))
        if not found:       # 16 MiB do for it
            rmmod()
            result(f"{name}: too small", "it was loaded")
            continue
        least = int(found.group(1))
        loop.image(least - 1)
        untouched(f"{name}: 1 MiB below the least size", "ENOSPC", f"at least {least} MiB",
                  *options)
        loop.image(least)
        lines = takes(f"{name}: the least size, {least} MiB", f"device={loop.path}", *options)[1]
        same(f"{name}: the least size: 8 slabs", " 8 slabs of" in lines, True)
        loop.image(8)
    loop.image(5 << 20)
    refused("5 TiB", "EFBIG", "too large; at most 4194304 MiB", f"device={loop.path}",
            "index_mb=1", "slab_size=64", "memory_mb=256")
    loop.image()


def foreign():
    """What is refused, and called by its name."""
    def seen(name, regex):
        untouched(name, "EMEDIUMTYPE", f"neither blank nor ours: .*{regex}.*nothing was written")

    loop.image()
    run("mkswap", loop.path)
    seen("swap", "swap")
    for what, at, data in (
            ("an MBR", 510, b"\x55\xaa"), ("a GPT", 512, b"EFI PART"),
            ("the second half of a GPT", -512, b"EFI PART"), ("xfs", 0, b"XFSB"),
            ("btrfs", 65600, b"_BHRfS_M"), ("LVM", 512, b"LABELONE"),
            ("LUKS", 0, b"LUKS\xba\xbe"), ("md RAID", 4096, b"\xfc\x4e\x2b\xa9"),
            ("md RAID", -65536, b"\xfc\x4e\x2b\xa9"), ("FAT", 82, b"FAT32"),
            ("ZFS", 135168, b"\x0c\xb1\xba\0\0\0\0\0"),
            ("unknown data, at 700000 bytes from the start: 61 62 63", 700000, b"abc"),
            ("unknown data, at 20000 bytes before the end: 61 62 63", -20000, b"abc"),
            ("unknown data", 1048575, b"z"), ("unknown data", -1048576, b"z")):
        loop.image()
        loop.put(at, data)
        seen(f"{what} at {at}", what)
    loop.image()
    loop.put(1048576, b"z")
    loop.put(-1048577, b"z")
    takes("data in the middle only", f"device={loop.path}")
    loop.image()
    run("mkfs.ext4", "-q", loop.path)
    seen("ext4", "ext4")
    untouched("ext4, and new", "EMEDIUMTYPE", "ext4", "format=new")
    loop.put(700000, b"abc")
    loop.put(-20000, b"abc")
    lines = takes("ext4, and force", f"device={loop.path}", "format=force")[1]
    same("ext4, and force: nothing of it is left at the ends",
         (b"abc" in loop.get(699000, 4096),
          any(loop.get(-(1 << 20), (1 << 20) - 4096))), (False, False))
    same("ext4, and force: said so", lines.count(": formatted"), 1)


def ours():
    dev = f"device={loop.path}"
    loop.image()
    first, lines = takes("a blank one", dev)
    key = loop.get(40, 16)
    same("a blank one: said so", lines.count(": formatted"), 1)
    same("both copies are there", loop.get(0, 4096), loop.get(-4096, 4096))
    same("the magic", loop.get(0, 8), b"KFATCACH")
    same("epoch 1", loop.number(96), 1)
    again, lines = takes("again", dev)
    same("again: the same uuid", again, first)
    same("again: not formatted", re.search("formatted|emptied", lines), None)
    same("again: epoch 2", loop.number(96), 2)
    same("again: what was valid stays so", loop.number(104) >> 46, 1)
    same("force changes nothing on a good one", takes("force", dev, "format=force")[0], first)
    same("force: the same hash key", loop.get(40, 16), key)
    again, lines = takes("new empties a good one", dev, "format=new")
    same("new: the same uuid", again, first)
    same("new: another hash key", loop.get(40, 16) != key, True)
    same("new: said so", lines.count(": emptied"), 1)

    same("its uuid", takes("its uuid", dev, f"uuid={first}")[0], first)
    takes("its uuid in capitals", dev, f"uuid={first.upper()}")
    for more in ((), ("format=force",), ("format=new",)):
        untouched(f"another uuid {' '.join(more)}", "ENODEV", f"this device has {first}",
                  f"uuid={OTHER}", *more)
    head = loop.get(0, 4096)
    run("mkswap", loop.path)
    for more in ((), (f"uuid={first}",), ("format=new",)):
        untouched(f"swap where it was ours {' '.join(more)}", "EMEDIUMTYPE",
                  "one of its two superblocks is overwritten by somebody else: swap", *more)
    loop.put(0, head)
    loop.put(4096, b"\xfc\x4e\x2b\xa9")
    for more in ((), (f"uuid={first}",), ("format=new",)):
        untouched(f"md behind our first page {' '.join(more)}", "EMEDIUMTYPE",
                  "was a kfatcache device, but has the mark of a member of an md RAID", *more)
    same("md behind our first page, and force",
         takes("md behind, and force", dev, "format=force")[0], first)
    takes("md behind, and force: it is gone", dev)
    same("ours again", takes("ours again", dev)[0], first)
    untouched("slab_size=8 where it is 4", "EINVAL", "formatted with slab_size=4, not 8",
              "slab_size=8")
    lines = takes("another index than was saved", dev, "index_mb=16")[1]
    same("another index than was saved: said so",
         bool(re.search("index of [0-9]+ MiB as it was saved, not 16", lines)), True)

    for which, at in (("first", 100), ("last", -3996)):
        loop.put(at, b"XX")
        same(f"the {which} copy damaged: the uuid",
             takes(f"the {which} copy damaged", dev)[0], first)
        same(f"the {which} copy damaged: repaired", loop.get(0, 4096), loop.get(-4096, 4096))
    good = loop.snapshot()
    loop.put(100, b"XX")
    loop.put(-3996, b"XX")
    untouched("both damaged", "EMEDIUMTYPE", "superblocks are damaged")
    untouched("both damaged, and new", "EMEDIUMTYPE", "superblocks are damaged", "format=new")
    untouched("both damaged, force, and its uuid", "ENODEV", f"uuid={first} is not here",
              "format=force", f"uuid={first}")
    same("both damaged, and force: a new uuid",
         takes("both damaged, and force", dev, "format=force")[0] in ("", first), False)

    loop.restore(good, 80)
    untouched("another size", "EMEDIUMTYPE", "had 64 MiB when it was formatted")
    takes("another size, and force", dev, "format=force")

    loop.image()
    untouched("blank, and a uuid", "ENODEV", f"uuid={OTHER} is not here", f"uuid={OTHER}")
    untouched("blank, a uuid, and force", "ENODEV", f"uuid={OTHER} is not here",
              f"uuid={OTHER}", "format=force")
    takes("blank, and new", dev, "format=new")
    loop.put(0, bytes(MIB))
    loop.put(-MIB, bytes(MIB))
    lines = takes("wiped through the page cache", dev)[1]
    same("wiped through the page cache: blank again", lines.count(": formatted"), 1)


loop = Loop()
# What numbers mean is the same on all kernels, and it takes long to say.
parts = [others, defaults, paths, in_use, kinds, sizes, foreign, ours]
if os.environ["KERNEL"] == "6.12":
    parts.insert(0, numbers)
for part in parts:
    print(f"# {part.__name__}", flush=True)
    try:
        part()
    except (OSError, subprocess.CalledProcessError) as e:
        result(part.__name__, f"{e} {getattr(e, 'output', '')}")
run("losetup", "-d", loop.path)
