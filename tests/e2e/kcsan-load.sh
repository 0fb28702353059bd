#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# guest: mem=256 smp=2 disk=512 kernels=6.12-kcsan timeout=120
# shellcheck disable=SC2317  # functions are called by check
#
# Commands of all kinds for the same keys at once, by every way in, while slabs
# wrap, objects move, the index grows and parameters change, on a kernel that
# watches for data races: in memory, with a device, while what it kept is loaded,
# and while the module goes. What it sees is in its log, which the runner looks at.

. "$(dirname "$0")/lib.sh"

AT_EXIT=unpart
KCSAN=/sys/kernel/debug/kcsan
SOCK=/run/kfc-races
WAYS=("$HOST:$PORT" "$SOCK" "udp:$HOST:$PORT" params)
SMALL=(slab_size=1 index_mb=1 threads=2 unix="$SOCK" udp_port="$PORT")
TIMES=1
[ -z "${KFC_SOAK:-}" ] || TIMES=10
# of what KCSAN counts
seen() { awk -v n="$1:" '$1 == n { print $2 }' $KCSAN; }

served() { [ "$(stat cmd_touch)" -gt "$1" ]; }

# load NAME SECONDS KEYS WORD...
load() {
	local watched

	watched=$(seen setup_watchpoints)
	check "$1: clients in each other's way" py -m races $(($2 * TIMES)) "$3" "${WAYS[@]}" "${@:4}"
	note "$(tail -n 1 "$T/out")"
	holds "$1: enough of them" "$(field commands) > 500 && $(field udp) > 5"
	holds "$1: enough beside them" "$(field params) > 5 && $(field looks) > 5"
	watched=$(($(seen setup_watchpoints) - watched))
	note "$watched accesses were watched"
	holds "$1: accesses are watched" "$watched > 1000"
}

mountpoint -q ${KCSAN%/*} || mount -t debugfs debugfs ${KCSAN%/*}
[ -e $KCSAN ] || { not_ok "data races" "this kernel does not look for them"; finish; }

holds "there are CPUs that can race" "$(nproc) > 1"

must_load "memory: insmod" memory_mb=6 "${SMALL[@]}"
load memory 6 4000
unload_check "memory"

check "a partition of 16 MiB" part 16
must_load "device: insmod" device="${DEV}p1" memory_mb=10 "${SMALL[@]}"
load device 10 8000 fill
note "the index grew $(stat kfc_index_growths) times"
unload_check "device" "${DEV}p1"

must_load "again: insmod" device="${DEV}p1" memory_mb=10 "${SMALL[@]}"
in_background "$T/races" py -m races 60 8000 "${WAYS[@]}" gone
check "again: they are served" wait_for 30 served 20
unload_check "again, under load" "${DEV}p1"
wait "$BG" || not_ok "again: the clients" "$(tail -n 1 "$T/races")"
finish
