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
. "$(dirname "$0")/faults.sh"

# all_of NAME FIRST STEP PARAM...: at most $ROUNDS loads
all_of() {
	local name=$1 first=$2 step=$3
	shift 3
	check "$name: each load ends as if it had not been" \
		py -m faultload "$KFC_KO" "$first" "$step" "$ROUNDS" port="$PORT" "$@"
	note "$(grep '^RESULT' "$T/out")"
	holds "$name: there were some to fail" "$(field loads) > 5"
}

wipe "$DEV"

SMALL="memory_mb=4 slab_size=1 index_mb=1 threads=2"
# In a soak every one; else some all over.
ROUNDS=${KFC_SOAK:+40}
ROUNDS=${ROUNDS:-6}
STEP=${KFC_SOAK:+1}
allocations
all_of "memory only: small allocations" 1 "${STEP:-5}" $SMALL
all_of "device: small allocations" 3 "${STEP:-9}" $SMALL device="$DEV"
fault fail_page_alloc min-order 0
all_of "device: pages" 7 97 $SMALL device="$DEV" unix=/tmp/kfc.sock udp_port=11299
check "loading: nothing left" nothing_left "$DEV"
calm
wipe "$DEV"
finish
