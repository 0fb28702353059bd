# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""with NoSockets(): the kernel has no memory for sockets that its own code accepts.

A BPF program answers -ENOMEM in place of security_socket_create(), which the kernel
asks for each, where it is an IPv4 socket for the kernel itself. x86-64.
"""
import ctypes
import os
import struct

FUNCTION = b"security_socket_create"
ENOMEM = 12
SYS_BPF = 321
PROG_LOAD, RAW_TRACEPOINT_OPEN = 5, 17      # commands of bpf(2)
TRACING, MODIFY_RETURN = 26, 26             # type of program, of attachment

# What follows a type in BTF: bytes, and bytes a member, by kind.
FIXED = {1: 4, 3: 12, 14: 4, 17: 4}
MEMBER = {4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12}
FUNC = 12


def btf_function(name):
    """The number of a function in the kernel's BTF."""
    with open("/sys/kernel/btf/vmlinux", "rb") as f:
        data = f.read()
    head, types, length, strings = struct.unpack_from("<IIII", data, 4)
    at, end = head + types, head + types + length
    want = data.index(b"\0" + name + b"\0", head + strings) + 1 - head - strings
    number = 1
    entry = struct.Struct("<II").unpack_from
    while at < end:
        text, info = entry(data, at)
        kind = info >> 24 & 31
        if text == want and kind == FUNC:
            return number
        at += 12 + FIXED.get(kind, 0) + MEMBER.get(kind, 0) * (info & 0xffff)
        number += 1
    raise LookupError(name)


def insn(op, dst=0, src=0, off=0, imm=0):
    return struct.pack("<BBhi", op, dst | src << 4, off, imm)


# int security_socket_create(int family, int type, int protocol, int kern)
PROGRAM = b"".join([
    insn(0xb7, 0, imm=0),               # r0 = 0: go on
    insn(0x79, 2, 1, 24),               # r2 = kern
    insn(0x55, 2, off=3, imm=1),        # if r2 != 1 goto exit
    insn(0x79, 2, 1, 0),                # r2 = family
    insn(0x55, 2, off=1, imm=2),        # if r2 != AF_INET goto exit
    insn(0xb7, 0, imm=-ENOMEM),
    insn(0x95)])


def bpf(command, attr):
    libc = ctypes.CDLL(None, use_errno=True)
    buf = ctypes.create_string_buffer(attr, len(attr))
    fd = libc.syscall(SYS_BPF, command, buf, len(attr))
    if fd < 0:
        e = ctypes.get_errno()
        raise OSError(e, "bpf(%d): %s" % (command, os.strerror(e)))
    return fd


class NoSockets:
    def __init__(self):
        code = ctypes.create_string_buffer(PROGRAM, len(PROGRAM))
        licence = ctypes.create_string_buffer(b"GPL")
        attr = bytearray(120)
        struct.pack_into("<IIQQ", attr, 0, TRACING, len(PROGRAM) // 8,
                         ctypes.addressof(code), ctypes.addressof(licence))
        struct.pack_into("<I", attr, 68, MODIFY_RETURN)
        struct.pack_into("<I", attr, 108, btf_function(FUNCTION))
        self.prog = bpf(PROG_LOAD, bytes(attr))
        self.link = None

    def __enter__(self):
        self.link = bpf(RAW_TRACEPOINT_OPEN, struct.pack("<QI4x", 0, self.prog))
        return self

    def __exit__(self, *_):
        os.close(self.link)
