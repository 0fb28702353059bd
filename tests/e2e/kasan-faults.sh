#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# guest: mem=512 smp=2 disk=512 kernels=6.12-kasan timeout=400
# shellcheck disable=SC2086  # $SMALL is several words
# dmesg-allow: vmalloc error|page allocation failure|Call Trace:$
# dmesg-allow: kmemleak: Cannot allocate a scan area
#
# Faults to order. Loading meets each of its allocations failing, one a time: it
# is refused with nothing left behind, or does without.

. "$(dirname "$0")/lib.sh"

FAULTS=/sys/kernel/debug
AT_EXIT=calm
# fault KIND NAME VALUE...
fault() {
	local kind=$1
	shift
	while [ $# -gt 1 ]; do
		echo "$2" > "$FAULTS/$kind/$1" || return 1
		shift 2
	done
}
calm() {
	local kind
	for kind in failslab fail_page_alloc; do
		fault $kind probability 0 times 0 task-filter 0 require-start 0 \
			require-end 0xffffffffffffffff
	done
}

# Only what is called by a module fails: these addresses are the modules'.
modules_only() { fault "$1" require-start 0xffffffffa0000000 require-end 0xffffffffff000000; }

# all_of NAME FIRST STEP PARAM...: at most $ROUNDS loads
all_of() {
	local name=$1 first=$2 step=$3
	shift 3
	check "$name: each load ends as if it had not been" \
		py -m faultload "$KFC_KO" "$first" "$step" "$ROUNDS" port="$PORT" "$@"
	note "$(grep '^RESULT' "$T/out")"
	holds "$name: there were some to fail" "$(field loads) > 5"
}

mountpoint -q $FAULTS || mount -t debugfs debugfs $FAULTS
[ -d $FAULTS/failslab ] || { not_ok "faults to order" "this kernel has none"; finish; }
wipe "$DEV"

SMALL="memory_mb=4 slab_size=1 index_mb=1 threads=2"
# In a soak every one; else some all over.
ROUNDS=${KFC_SOAK:+40}
ROUNDS=${ROUNDS:-6}
STEP=${KFC_SOAK:+1}
fault failslab ignore-gfp-wait 0 verbose 0 probability 0
fault fail_page_alloc ignore-gfp-wait 0 ignore-gfp-highmem 0 min-order 10 verbose 0 probability 0
modules_only failslab
modules_only fail_page_alloc
all_of "memory only: small allocations" 1 "${STEP:-5}" $SMALL
all_of "device: small allocations" 3 "${STEP:-9}" $SMALL device="$DEV"
fault fail_page_alloc min-order 0
all_of "device: pages" 7 97 $SMALL device="$DEV" unix=/tmp/kfc.sock udp_port=11299
check "loading: nothing left" nothing_left "$DEV"
calm
wipe "$DEV"
finish
