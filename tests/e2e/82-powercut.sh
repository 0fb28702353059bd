#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# guest: mem=1024 smp=1 disk=2048 kernels=6.12 timeout=300
# shellcheck disable=SC2317  # functions are called by check
#
# Power cuts. dm-log-writes records what the module writes, and when it flushes; a
# device gets what was there at some of those points (at all in a soak), and is
# loaded: nothing wrong is there, nothing from before a flush_all, and without
# recover=crash nothing at all but after a clean unload.

. "$(dirname "$0")/lib.sh"

NAME=kfclog
MIB=14
LOG_MIB=400
POINTS=3
SEED=1
if [ -n "${KFC_SOAK:-}" ]; then POINTS=0 SEED=$RANDOM; fi
PARAMS=(memory_mb=8 slab_size=1 index_mb=2)
AT_EXIT=restore
restore() {
	dm_remove "$NAME"
	delpart "$DEV" 2
	unpart
} > /dev/null 2>&1

# partitions that were never written to, but for their ends
parts() {
	part "$MIB" && addpart "$DEV" 2 $((2048 + MIB * 2048)) $((LOG_MIB * 2048)) &&
		wait_for 5 test -b "${DEV}p2"
}
blank() { dd if=/dev/zero of="${DEV}p1" bs=1M count="$MIB" conv=fsync status=none; }

check "partitions" parts
check "blank" blank
if ! modprobe dm-log-writes; then
	not_ok "dm-log-writes" "it is not to be had"
	finish
fi
check "dm-log-writes" dm create $NAME --table "0 $((MIB * 2048)) log-writes ${DEV}p1 ${DEV}p2"
wait_for 5 test -b /dev/mapper/$NAME
must_load "recorded: insmod" device=/dev/mapper/$NAME "${PARAMS[@]}"
check "recorded: objects and flush_alls" py -m powercut record "$HOST" "$PORT" $NAME "$T/left"
holds "recorded: the log went round" "$(stat extstore_page_allocs) > $(stat kfc_slabs)"
unload_check "recorded"
check "recorded: the end" dm_remove "$NAME"
relay py -m powercut replay "$HOST" "$PORT" "$T/left" "${DEV}p2" "${DEV}p1" $MIB $POINTS $SEED \
	insmod "$KFC_KO" port="$PORT" device="${DEV}p1" "${PARAMS[@]}"
check "nothing left" nothing_left "${DEV}p1"
finish
