#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# guest: mem=512 smp=2 disk=512 kernels=6.12-kcsan timeout=120
# shellcheck disable=SC2317  # functions are called by check
#
# Commands of all kinds for the same keys at once, while slabs wrap, objects move
# and the index grows, on a kernel that watches for data races: in memory, and
# with a device. What it sees is in its log, which the runner looks at.

. "$(dirname "$0")/lib.sh"

AT_EXIT=unpart
KCSAN=/sys/kernel/debug/kcsan
# of what KCSAN counts
seen() { awk -v n="$1:" '$1 == n { print $2 }' $KCSAN; }

# load NAME SECONDS KEYS
load() {
	local watched

	watched=$(seen setup_watchpoints)
	[ -z "${KFC_SOAK:-}" ] || set -- "$1" $(($2 * 10)) "$3"
	check "$1: clients in each other's way" py -m races "$HOST" "$PORT" "$2" "$3"
	note "$(tail -n 1 "$T/out")"
	holds "$1: enough of them" "$(field commands) > 500"
	watched=$(($(seen setup_watchpoints) - watched))
	note "$watched accesses were watched"
	holds "$1: accesses are watched" "$watched > 1000"
}

mountpoint -q ${KCSAN%/*} || mount -t debugfs debugfs ${KCSAN%/*}
[ -e $KCSAN ] || { not_ok "data races" "this kernel does not look for them"; finish; }

must_load "memory: insmod" memory_mb=4 slab_size=1 index_mb=1 threads=2
load memory 8 4000
unload_check "memory"

check "a partition of 16 MiB" part 16
must_load "device: insmod" device="${DEV}p1" memory_mb=6 slab_size=1 index_mb=1 threads=2
load device 12 8000
unload_check "device" "${DEV}p1"
finish
