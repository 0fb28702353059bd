#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# guest: mem=1024 smp=1 disk=2048 kernels=6.12 timeout=560
#
# The client matrix: each client with its whole API, against the module and, on
# 6.12, against Debian's memcached for comparison: README's table is made there.
# And whether prometheus/memcached_exporter can read the counters.

. "$(dirname "$0")/lib.sh"

UNPACKED=$KFC_CACHE/unpacked
SECOND=$((PORT + 1))	# behind nutcracker, beside the module
OTHER=$((PORT + 2))	# for comparison, on one kernel
compare=()
[ "$KERNEL" != 6.12 ] || compare=(--memcached "$HOST:$OTHER" --table "$KFC_RESULTS/matrix.md")

wipe "$DEV"
must_load "insmod" device="$DEV" memory_mb=32
for p in $SECOND $OTHER; do
	in_background "$T/memcached.$p" "$UNPACKED/memcached/usr/bin/memcached" -u nobody -U 0 \
		-l "$HOST" -p "$p" -m 64
	wait_for 20 memcping --servers="$HOST:$p" || not_ok "memcached" "does not answer"
done

relay limit 450 /usr/bin/python3 "$E2E/matrix/matrix.py" "$HOST:$PORT" \
	"${compare[@]}" --second "$HOST:$SECOND" \
	--nutcracker "$UNPACKED/nutcracker/usr/sbin/nutcracker"
relay limit 60 /usr/bin/python3 "$E2E/exporter.py" "$HOST" "$PORT"

stats curr_items cmd_get cmd_set cmd_touch kfc_device_hits | sed 's/^/# /'
holds "no checksum failed" "$(sum_of kfc_checksum_failures_) == 0"
unload_check "afterwards" "$DEV"
wipe "$DEV"
finish
