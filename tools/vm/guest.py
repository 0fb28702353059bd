#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Guests: a kernel in QEMU, Debian's or our own, with the host's files. See README."""

import argparse
import base64
import functools
import json
import lzma
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
REPO = os.path.dirname(os.path.dirname(HERE))
CACHE = os.environ.get("KFC_CACHE") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "kfatcache")

# What the guest needs to see the host's files, and disks; the rest comes by modprobe.
BOOT_MODULES = ["virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_net"]
DISK_MODULES = {"nvme": "nvme", "virtio": "virtio_blk"}

AGAIN_SECONDS = 20      # without a sign that a command has begun, it is sent again
BOOT_SECONDS = 240

# Kernels that tools/vm/kernel builds, and stock ones with what these have to
# find errors of memory with. What they take: of memory so many MiB more, of time
# so many times as much; and their arguments (ACPI's interpreter would take 10 s there to
# begin with, and a minute and a half to say which interrupt a device has).
BUILT = ("6.12-kasan", "6.12-kcsan")
POISON = "slub_debug=FZPU page_poison=1 kfence.sample_interval=5 preempt=full"
SPECIAL = {
    "6.12-kasan": (256, 4, "kasan_multi_shot acpi=off"),
    # of a module's accesses more are watched, as no others are, and for longer: an
    # emulated CPU does little in 80 us
    "6.12-kcsan": (128, 3, "kcsan.skip_watch=500 kcsan.udelay_task=250 acpi=off"),
    "6.12-poison": (256, 2, POISON),
    "6.1-poison": (256, 2, POISON),
}
# What was translated for emulation is found again where it has the same address: with
# norandmaps to start a program takes a third of the time.
ARGS = ("console=ttyS0 loglevel=5 panic=-1 mitigations=off no_timer_check log_buf_len=4M "
        "norandmaps")


class GuestError(Exception):
    """The guest does not do what it should; the text says what."""


class BootError(GuestError):
    """It did not come up; .died says whether it ended by itself."""

    def __init__(self, text, died):
        super().__init__(text)
        self.died = died


# ---------------------------------------------------------------- kernels

def stock(kernel):
    """The one that Debian has, of the same binary: "6.12" for "6.12-poison"."""
    return kernel.removesuffix("-poison")


@functools.cache
def home(kernel):
    """Where its files are."""
    if kernel not in BUILT:
        return f"{CACHE}/kernels/{stock(kernel)}"
    return subprocess.run([f"{HERE}/kernel", "--where", kernel], check=True,
                          stdout=subprocess.PIPE, text=True).stdout.strip()


def is_built(kernel):
    """Is it there, one of BUILT?"""
    try:
        return os.path.exists(f"{home(kernel)}/version")
    except subprocess.CalledProcessError:   # no source is known
        return False


def release(kernel):
    """The release that serves as this kernel: tools/deps chose it, or it was built."""
    try:
        with open(f"{home(kernel)}/version") as f:
            return f.read().strip()
    except FileNotFoundError:
        get = f"tools/vm/kernel {kernel}" if kernel in BUILT else "tools/deps test"
        raise GuestError(f"no kernel {kernel} in {CACHE}: run {get}") from None


def kdir(kernel):
    """What modules are built against: the folder of its headers."""
    r = release(kernel)
    return f"{home(kernel)}/build" if kernel in BUILT else f"/usr/src/linux-headers-{r}"


def image(kernel):
    return f"{home(kernel)}/image"


def slower(kernel):
    """How many times the time of a stock kernel it may take."""
    return SPECIAL.get(kernel, (0, 1, ""))[1]


# ---------------------------------------------------------------- initramfs

def cpio(files):
    """An archive (newc) of files: name -> (mode, bytes)."""
    out = bytearray()
    for name, (mode, data) in list(files.items()) + [("TRAILER!!!", (0, b""))]:
        name = name.encode() + b"\0"
        head = [len(out) + 1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0]
        out += b"070701" + b"".join(b"%08x" % n for n in head) + name
        out += b"\0" * (-len(out) % 4) + data
        out += b"\0" * (-len(out) % 4)
    return bytes(out)


def bootable(kernel):
    """Its file for QEMU: what needs no unpacking, where tools/deps left it."""
    r = release(kernel)
    plain = f"{image(kernel)}/boot/vmlinux-{r}"
    return plain if os.path.exists(plain) else f"{image(kernel)}/boot/vmlinuz-{r}"


def boot_modules(kernel, names):
    """These and what they depend on, in the order to load them."""
    top = f"{image(kernel)}/lib/modules/{release(kernel)}"
    deps, order = {}, []
    with open(f"{top}/modules.dep") as f:
        for line in f:
            path, _, after = line.partition(":")
            name = os.path.basename(path).split(".ko")[0].replace("-", "_")
            deps[name] = [path] + after.split()
    for name in names:
        for path in reversed(deps.get(name, [])):   # none: it is built in
            if path not in order:
                order.append(path)
    for path in order:
        opener = lzma.open if path.endswith(".xz") else open
        with opener(f"{top}/{path}", "rb") as f:
            yield f.read()


def initramfs(kernel, modules, ko):
    busybox = shutil.which("busybox", path="/bin:/usr/bin") or "/bin/busybox"
    with open(f"{HERE}/init", "rb") as f, open(busybox, "rb") as b:
        files = {"init": (0o100755, f.read()), "bin": (0o40755, b""),
                 "bin/busybox": (0o100755, b.read())}
    if modules:
        files["modules"] = (0o40755, b"")
        for n, data in enumerate(boot_modules(kernel, modules)):
            files[f"modules/{n:02}.ko"] = (0o100644, data)
    if ko:
        with open(ko, "rb") as f:
            files["kfatcache.ko"] = (0o100644, f.read())
    return cpio(files)


# ---------------------------------------------------------------- KVM or not

def accelerator(kernel):
    """QEMU's arguments: KVM where a boot with it works, else emulation."""
    # Emulation takes a sixth longer with SMAP; one of the kernels has it. "rep movsb"
    # is emulated a byte at a time.
    tcg = ["-accel", "tcg,thread=multi",
           "-cpu", "max,-erms,-fsrm" + ",-smap" * (stock(kernel) != "6.1")]
    kvm = ["-accel", "kvm", "-cpu", "host"]
    forced = os.environ.get("KFC_ACCEL")
    if forced:
        return kvm if forced == "kvm" else tcg
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return tcg
    with open("/proc/sys/kernel/random/boot_id") as f:
        answer = f"{CACHE}/kvm/{f.read().strip()}"
    if not os.path.exists(answer):
        print("guest: does KVM work here? booting once to see (10 s at most)",
              file=sys.stderr, flush=True)
        try:
            with Guest(kernel, bare=True, accel=kvm, boot_seconds=10):
                works = "yes"
        except GuestError:
            works = "no"
        os.makedirs(f"{CACHE}/kvm", exist_ok=True)
        with open(answer + f".{os.getpid()}", "w") as f:
            f.write(works)
        os.rename(f.name, answer)
    with open(answer) as f:
        return kvm if f.read() == "yes" else tcg


# ---------------------------------------------------------------- the guest

class Guest:
    """One guest. with Guest(...) as g: g.run("uname -a")

    kernel        "6.12" or "6.1", or one of SPECIAL
    mem, smp      MiB (those of SPECIAL get what they take on top), CPUs
    limit         seconds after which it is killed, whatever it does
    disks         "nvme:2048", "virtio:512": a sparse file of as many MiB, gone
                  afterwards; "nvme:/some/file": that file, and it stays. They
                  are /dev/nvme0n1, nvme1n1..., vda, vdb..., and to QEMU disk0,
                  disk1... in the order given
    forward       "8000:11211": 127.0.0.1:8000 of the host is port 11211 of
                  10.0.2.15 in the guest; "0:11211" takes a free port (.ports)
    bare, ko      nothing but busybox and, as /kfatcache.ko, the file ko: no
                  module loaded, no disks, no network, no host files
    icount        one CPU, and a clock that counts instructions
    append, qemu  more arguments for the kernel (str), for QEMU (list)
    directory     for its files; made, and removed afterwards, where not given
    """

    def __init__(self, kernel="6.12", mem=1024, smp=2, limit=600, disks=(), forward=(),
                 bare=False, ko=None, icount=False, append="", qemu=(), directory=None,
                 accel=None, boot_seconds=BOOT_SECONDS, detached=False):
        self.kernel = kernel
        self.limit = limit
        self.ends = time.monotonic() + limit
        self.made = directory is None
        # Sockets need a short path, disks a real one: not /tmp, often in memory.
        self.dir = directory or tempfile.mkdtemp(
            prefix="kfc-guest-", dir=os.environ.get("TMPDIR", "/var/tmp"))
        self.proc = None
        self.count = 0
        self.ports = []
        boot = (mem, smp, disks, forward, bare, ko, icount, append, qemu, accel,
                boot_seconds, detached)
        try:
            try:
                self._boot(*boot)
            except BootError as e:
                if accel or not e.died:
                    raise
                # On the emulator one boot in hundreds with several CPUs ends in a
                # call to nowhere, before anything of ours is there.
                print(f"guest: boots once more: {e}", file=sys.stderr, flush=True)
                self.ports = []
                self._boot(*boot)
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @classmethod
    def attach(cls, directory):
        """The guest that `guest.py start` left there."""
        g = cls.__new__(cls)
        with open(f"{directory}/guest.json") as f:
            g.__dict__.update(json.load(f))
        g.dir, g.proc, g.made, g.ends = directory, None, False, time.monotonic() + g.limit
        return g

    def _boot(self, mem, smp, disks, forward, bare, ko, icount, append, qemu,
              accel, boot_seconds, detached):
        if icount:
            cpu = ["-accel", "tcg", "-cpu", "max", "-smp", "1",
                   "-icount", "shift=0,sleep=off"]
        else:
            # Without ACPI a kernel knows one CPU a socket.
            cpu = (accel or accelerator(self.kernel)) + [
                "-smp", f"{smp},sockets={smp}"]
        os.makedirs(f"{self.dir}/results", exist_ok=True)
        kinds = {spec.partition(":")[0] for spec in disks}
        modules = [] if bare else BOOT_MODULES + [
            m for kind, m in DISK_MODULES.items() if kind in kinds]
        with open(f"{self.dir}/initrd", "wb") as f:
            f.write(initramfs(self.kernel, modules, ko))
        for name in ("agent.sock", "qmp.sock"):
            if os.path.exists(f"{self.dir}/{name}"):
                os.unlink(f"{self.dir}/{name}")

        r = release(self.kernel)
        more, _, args = SPECIAL.get(self.kernel, (0, 1, ""))
        mem += more
        append = f"{ARGS} {args} kfc.modules={image(self.kernel)}/lib/modules/{r} {append}"
        cmd = ["timeout", "-s", "KILL", str(self.limit), "qemu-system-x86_64", *cpu,
               "-m", str(mem), "-kernel", bootable(self.kernel),
               "-initrd", f"{self.dir}/initrd",
               "-append", append + " kfc.bare" * bare,
               "-nodefaults", "-display", "none", "-no-reboot",
               "-serial", f"file:{self.dir}/console.log",
               "-serial", f"unix:{self.dir}/agent.sock,server=on,wait=off",
               "-qmp", f"unix:{self.dir}/qmp.sock,server=on,wait=off"]
        if not detached:    # the guest goes when we go, however that happens
            cmd = ["setpriv", "--pdeathsig", "TERM", *cmd]
        devices, scratch = [], []
        if not bare:
            cmd += ["-virtfs", "local,path=/,mount_tag=root,security_model=none,"
                    "readonly=on,multidevs=remap",
                    "-virtfs", f"local,path={self.dir}/results,mount_tag=results,"
                    "security_model=none"]
            args, devices, scratch = self._disks(disks)
            cmd += args + self._net(forward)
        cmd += qemu

        with open(f"{self.dir}/qemu.log", "w") as log:
            self.proc = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=log,
                                         stderr=log, start_new_session=True)
        self._wait_ready(time.monotonic() + boot_seconds)
        for path in scratch:    # QEMU has them open: they go when it goes
            os.unlink(path)
        if devices:
            rc, out = self.output(
                "for d in %s; do "
                "for i in $(seq 100); do [ -b $d ] && continue 2; sleep 0.1; done; "
                "echo no $d; exit 1; done" % " ".join(devices))
            if rc:
                raise GuestError(f"the disks did not come: {out}")
        with open(f"{self.dir}/guest.json", "w") as f:
            json.dump({"kernel": self.kernel, "pid": self.proc.pid, "ports": self.ports,
                       "limit": self.limit, "count": 1000}, f)

    def _disks(self, disks):
        args, devices, scratch = [], [], []
        nvme = virtio = 0
        for n, spec in enumerate(disks):
            kind, _, what = spec.partition(":")
            path = what
            if what.isdigit():
                path = f"{self.dir}/disk{n}.img"
                with open(path, "wb") as f:
                    f.truncate(int(what) << 20)
                scratch.append(path)
            args += ["-drive", f"file={path},if=none,id=drive{n},format=raw,"
                     "discard=unmap,cache=unsafe"]
            if kind == "nvme":
                args += ["-device", f"nvme,id=disk{n},drive=drive{n},serial=disk{n}"]
                devices.append(f"/dev/nvme{nvme}n1")
                nvme += 1
            elif kind == "virtio":
                args += ["-device", f"virtio-blk-pci,id=disk{n},drive=drive{n},"
                         f"serial=disk{n}"]
                devices.append("/dev/vd" + chr(ord("a") + virtio))
                virtio += 1
            else:
                raise GuestError(f"disk {spec}: neither nvme: nor virtio:")
        return args, devices, scratch

    def _net(self, forward):
        if not forward:
            return []
        net = "user,id=net,restrict=on"     # in by these ports, out by none
        for spec in forward:
            host, _, port = str(spec).partition(":")
            if host == "0":
                with socket.socket() as s:
                    s.bind(("127.0.0.1", 0))
                    host = s.getsockname()[1]
            self.ports.append(int(host))
            net += f",hostfwd=tcp:127.0.0.1:{host}-10.0.2.15:{port or 11211}"
        return ["-netdev", net, "-device", "virtio-net-pci,netdev=net,romfile="]

    # -- talking to it

    def _connect(self, name):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(1)
        s.connect(f"{self.dir}/{name}")
        return s

    def _wait_ready(self, until):
        s, got = None, b""
        while b"@@ready" not in got:
            died = self.proc.poll() is not None
            if died or time.monotonic() > until:
                raise BootError(f"Linux {self.kernel} did not come up; its last words:\n"
                                + self.last_words(), died)
            try:
                s = s or self._connect("agent.sock")
                data = s.recv(4096)
            except TimeoutError:
                continue
            except (FileNotFoundError, ConnectionError):
                data = b""      # QEMU does not listen yet, or is going
            got += data
            if not data:
                if s:
                    s.close()
                s = None
                time.sleep(0.05)
        s.close()

    def run(self, command, sink=None, seconds=None, cwd=None):
        """Run a shell command as root, with the host's files, and return its exit
        code. Its output goes to sink(bytes), by default our own stdout."""
        sink = sink or _to_stdout
        self.count += 1
        ident = f"{os.getpid()}.{self.count}"
        left = max(1, int(self.ends - time.monotonic()))
        seconds = min(seconds or left, left)
        if cwd:
            command = f"cd {shlex.quote(cwd)} || exit\n{command}"
        coded = base64.b64encode(command.encode()).decode()
        line = f"\n{ident} {seconds} {len(coded)} {coded}\n".encode()
        begin = f"\n@@begin {ident}\n".encode()
        end = re.compile(rb"\n@@end " + ident.encode() + rb" (\d+)\n")
        keep = len(begin) + 16
        until = time.monotonic() + seconds + 30     # the guest's own limit comes first
        buf, begun = b"", False
        with self._connect("agent.sock") as s:
            s.sendall(line)
            again = time.monotonic() + AGAIN_SECONDS
            while True:
                if not begun and time.monotonic() > again:
                    s.sendall(line)     # a byte was lost, see init
                    again += AGAIN_SECONDS
                try:
                    data = s.recv(65536)
                    if not data:
                        raise ConnectionResetError
                    buf += data
                except TimeoutError:
                    if time.monotonic() > until:
                        raise GuestError(f"no answer in {seconds} s; last words:\n"
                                         + self.last_words()) from None
                except ConnectionError:
                    if begun:
                        sink(buf)
                    raise GuestError("the guest is gone; its last words:\n"
                                     + self.last_words()) from None
                if not begun and begin in buf:
                    buf, begun = buf.partition(begin)[2], True
                if not begun:
                    continue
                m = end.search(buf)
                if m:
                    sink(buf[:m.start()])
                    return int(m.group(1))
                safe = buf.rfind(b"\n", max(0, len(buf) - keep))
                safe = len(buf) if safe < 0 else safe
                sink(buf[:safe])
                buf = buf[safe:]

    def output(self, command, **how):
        """As run, but returns (exit code, output as text)."""
        out = bytearray()
        rc = self.run(command, sink=out.extend, **how)
        return rc, out.decode(errors="replace")

    def cpu_seconds(self):
        """CPU time of the host that it took so far: the same on a busy machine."""
        pid = self.proc.pid
        try:
            with open(f"/proc/{pid}/task/{pid}/children") as f:
                pid = int(f.read().split()[0])      # QEMU, below timeout
            with open(f"/proc/{pid}/stat") as f:
                user, system = f.read().rpartition(")")[2].split()[11:13]
        except (OSError, IndexError):
            return 0    # it is gone
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def qmp(self, command, **arguments):
        """A command to QEMU's monitor: qmp("device_del", id="disk0")."""
        with self._connect("qmp.sock") as s, s.makefile("rw") as f:
            s.settimeout(30)
            f.readline()
            for c in ({"execute": "qmp_capabilities"},
                      {"execute": command, "arguments": arguments}):
                f.write(json.dumps(c) + "\n")
                f.flush()
                answer = {}
                while not ("return" in answer or "error" in answer):
                    answer = json.loads(f.readline())
            if "error" in answer:
                raise GuestError(f"{command}: {answer['error']['desc']}")
            return answer["return"]

    def last_words(self):
        text = ""
        for name in ("qemu.log", "console.log"):
            try:
                with open(f"{self.dir}/{name}", errors="replace") as f:
                    text += "".join(f.readlines()[-40:])
            except FileNotFoundError:
                pass
        return text

    # -- the end

    def _alive(self):
        if self.proc:
            return self.proc.poll() is None
        try:    # attached: the process must be the one that was started here
            with open(f"/proc/{self.pid}/cmdline") as f:
                return self.dir in f.read()
        except (AttributeError, FileNotFoundError):
            return False

    def _gone_in(self, seconds):
        until = time.monotonic() + seconds
        while self._alive():
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True

    def stop(self):
        """Power off, by force if need be, and remove what was made."""
        pid = self.proc.pid if self.proc else getattr(self, "pid", 0)
        if self._alive():
            try:
                self.qmp("quit")
            except (OSError, ValueError, GuestError):
                pass
            if not self._gone_in(5):
                os.killpg(pid, signal.SIGKILL)
                self._gone_in(5)
        if self.made:
            shutil.rmtree(self.dir, ignore_errors=True)


def _to_stdout(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


# ---------------------------------------------------------------- command line

def command_line(words):
    return words[0] if len(words) == 1 else shlex.join(words)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    sub = p.add_subparsers(dest="verb", required=True)

    boot = argparse.ArgumentParser(add_help=False)
    boot.add_argument("--kernel", default="6.12", help="6.12, 6.1, %s" % ", ".join(SPECIAL))
    boot.add_argument("--mem", type=int, default=1024, metavar="MIB")
    boot.add_argument("--smp", type=int, default=2)
    boot.add_argument("--limit", type=int, default=600, metavar="SECONDS",
                      help="kill the guest then (600)")
    boot.add_argument("--disk", dest="disks", action="append", default=[],
                      metavar="nvme:MIB|virtio:MIB|nvme:/FILE")
    boot.add_argument("--forward", action="append", default=[], metavar="PORT:GUESTPORT",
                      help="from 127.0.0.1; port 0: a free one")
    boot.add_argument("--bare", action="store_true",
                      help="busybox and the --ko as /kfatcache.ko, nothing else")
    boot.add_argument("--ko", metavar="FILE")
    boot.add_argument("--icount", action="store_true",
                      default=bool(os.environ.get("ICOUNT")))
    boot.add_argument("--append", default="", help="kernel arguments")
    boot.add_argument("--qemu", type=shlex.split, default=[], help="QEMU arguments")

    s = sub.add_parser("run", parents=[boot], help="boot, run a command, power off")
    s.add_argument("--results", metavar="DIR", help="copy what is in /run/results to it")
    s.add_argument("--console", metavar="FILE", help="copy the console's log to it")
    s.add_argument("command", nargs="+")
    s = sub.add_parser("start", parents=[boot], help="boot; files and sockets in DIR")
    s.add_argument("dir")
    s = sub.add_parser("exec", help="run a command in the guest of DIR")
    s.add_argument("--seconds", type=int)
    s.add_argument("dir")
    s.add_argument("command", nargs="+")
    s = sub.add_parser("qmp", help="tell QEMU: qmp DIR device_del id=disk0")
    s.add_argument("dir")
    s.add_argument("command")
    s.add_argument("arguments", nargs="*")
    s = sub.add_parser("stop", help="power off the guest of DIR")
    s.add_argument("dir")
    s = sub.add_parser("kdir", help="print the folder of a kernel's headers")
    s.add_argument("kernel")

    a = p.parse_args()
    for sig in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sig, lambda n, _: sys.exit(128 + n))
    if a.verb == "kdir":
        print(kdir(a.kernel))
        return 0
    if a.verb in ("run", "start"):
        options = {k: v for k, v in vars(a).items()
                   if k not in ("verb", "command", "dir", "results", "console")}
    if a.verb == "run":
        with Guest(**options) as g:
            try:
                return g.run(command_line(a.command), cwd=None if a.bare else os.getcwd())
            finally:
                if a.results:
                    shutil.copytree(f"{g.dir}/results", a.results, dirs_exist_ok=True)
                if a.console:
                    shutil.copy(f"{g.dir}/console.log", a.console)
    directory = os.path.abspath(a.dir)
    if a.verb == "start":
        g = Guest(**options, directory=directory, detached=True)
        if g.ports:
            print(*g.ports)
        return 0
    g = Guest.attach(directory)
    if a.verb == "exec":
        return g.run(command_line(a.command), seconds=a.seconds)
    if a.verb == "qmp":
        print(json.dumps(g.qmp(a.command, **dict(w.split("=", 1) for w in a.arguments))))
    if a.verb == "stop":
        g.stop()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (GuestError, OSError) as e:
        print(f"guest: {e}", file=sys.stderr)
        sys.exit(125)
    except KeyboardInterrupt:
        sys.exit(130)
