#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# guest: mem=1024 smp=2,1 disk=2048 kernels=6.12,6.1 timeout=600
#
# Every mistake in a parameter or with a device has its errno and its one line,
# and leaves nothing behind; what may be formatted is, and nothing else is
# written to.

. "$(dirname "$0")/lib.sh"

# One process for all of it: under emulation a new one costs more than a load.
mount -t tmpfs -o size=600m params "$T" || finish
# shellcheck disable=SC2016  # it is for later
AT_EXIT='umount "$T"'
modprobe -a loop ext4
wipe "$DEV"
relay py -m params "$KFC_KO" "$PORT" "$DEV" "$T"
wipe "$DEV"

# and as a person sees it
if insmod "$KFC_KO" device=/dev/nothing 2> "$T/insmod"; then
	not_ok "insmod itself says it" "it was loaded"
else
	check "insmod itself says it" grep 'could not insert module' "$T/insmod"
fi
check "in the end: nothing left" nothing_left "$DEV"
finish
