#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# guest: mem=1024 smp=2 disk=2048 kernels=6.12,6.1 timeout=300
#
# Every way in: several TCP addresses, a UNIX socket and its file, UDP for gets.

. "$(dirname "$0")/lib.sh"

wipe "$DEV"
relay limit 240 /usr/bin/python3 -S -m transports "$KFC_KO" "$PORT" "$DEV" "$T"
wipe "$DEV"
check "in the end: nothing left" nothing_left "$DEV"
finish
