# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""kexec.py IMAGE INITRD: in a guest, start a kernel with our command line.

By the system calls themselves: kexec-tools would want Xen's libraries, and a say in
how the host reboots.
"""
import ctypes
import os
import sys

KEXEC_FILE_LOAD, REBOOT = 320, 169      # x86-64
MAGIC = 0xfee1dead, 672274793, 0x45584543


def call(*args):
    if ctypes.CDLL(None, use_errno=True).syscall(*map(ctypes.c_long, args[:3]), *args[3:]):
        sys.exit(f"{args[0]}: {os.strerror(ctypes.get_errno())}")


with open("/proc/cmdline", "rb") as f:
    line = f.read().strip() + b"\0"
kernel, initrd = (os.open(path, os.O_RDONLY) for path in sys.argv[1:3])
call(KEXEC_FILE_LOAD, kernel, initrd, ctypes.c_long(len(line)), line, ctypes.c_long(0))
call(REBOOT, *MAGIC[:2], ctypes.c_long(MAGIC[2]), None)
