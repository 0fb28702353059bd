#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck disable=SC2317  # functions are called by check
# guest: mem=1024 smp=1 disk=2048 kernels=6.12 timeout=600
#
# The store: a log that wraps, objects that come back from the device, expiry,
# flush_all, CAS, large values; and eviction in memory only.

. "$(dirname "$0")/lib.sh"

# As many objects were stored (each key once) as there are and were evicted. In
# 1 set of 10,000 a tag that belongs to another key's object may cost that one.
balance() {
	local name=$1 sets=$2 items evictions lost
	items=$(stat curr_items) evictions=$(stat evictions)
	lost=$((sets - items - evictions))
	note "$name: sets $sets, curr_items $items, evictions $evictions"
	holds "$name: sets = curr_items + evictions" "$lost >= 0 && $lost <= $sets / 10000"
}

AT_EXIT="unpart; null_gone"

back() { [ "$(stat curr_items)" = "$1" ]; }

# --- a device of 16 MiB gets 25 MB
check "a partition of 16 MiB" part 16
must_load "wrap: insmod" device="${DEV}p1" memory_mb=4 slab_size=1 index_mb=2
SIZES="--sizes 200-8000"
N=12000
# shellcheck disable=SC2086
obj() { objects "$@" $SIZES; }
check "wrap: load $N objects" obj load --count $N --seconds 100 --conns 4
stats cmd_set total_items curr_items evictions kfc_evictions_space kfc_evictions_index_full \
	kfc_evictions_tag extstore_bytes_written extstore_page_evictions kfc_set_waits | sed 's/^/# /'
same "wrap: cmd_set" "$(stat cmd_set)" $N
same "wrap: total_items" "$(stat total_items)" $N
balance "wrap" $N
holds "wrap: evictions have one reason" \
	"$(stat evictions) == $(sum_of kfc_evictions_)"
holds "wrap: the log went round" "$(stat extstore_bytes_written) > 20 << 20"
holds "wrap: it holds what fits" "$(stat curr_items) > 1500"
OLD=$((N / 4))
reads=$(stat kfc_device_reads) false=$(stat kfc_false_reads)
check "wrap: the oldest are gone" obj verify --count $OLD --max-misses $OLD --min-misses $OLD
same "wrap: a miss reads nothing" $(($(stat kfc_device_reads) - reads)) \
	$(($(stat kfc_false_reads) - false))
holds "wrap: but for a tag in 1,000 at most" "$(stat kfc_false_reads) - $false <= $OLD / 1000"
NEW=$((N - 1200))
check "wrap: the newest are all there" obj verify --first $NEW --count 1200 \
	--max-misses 1
check "wrap: every answer is right or a miss" obj verify --first $OLD --count $((NEW - OLD)) \
	--shuffle --max-misses $N --seconds 100
same "wrap: one read for each hit on the device" \
	$(($(stat kfc_device_reads) - $(stat kfc_false_reads))) "$(stat kfc_device_hits)"
same "wrap: hits come from the device or memory" \
	$(($(stat kfc_device_hits) + $(stat kfc_memory_hits))) "$(stat get_hits)"
holds "wrap: many from the device" "$(stat kfc_device_hits) > 1000"
check "wrap: mixed commands while it wraps" obj mixed --count 4000 --conns 4 --seconds 6 \
	--ops 12000 --max-misses 1000000
tail -n 1 "$T/out" | sed 's/^/# /'
in_background "$T/load2" obj load --count 8000 --seed 21 --seconds 60
p=$BG
check "wrap: mixed beside a load" obj mixed --count 2000 --conns 3 --seconds 6 --seed 4 \
	--ops 12000 --max-misses 1000000
tail -n 1 "$T/out" | sed "s/^/# /"
wait "$p" || not_ok "wrap: the load beside it" "$(tail -n 1 "$T/load2")"
holds "wrap: no checksum failed" "$(sum_of kfc_checksum_failures_) == 0"
unload_check "wrap" "${DEV}p1"
unpart

# --- everything that can happen to an object that lies on the device
check "a partition of 256 MiB" part 256
must_load "device: insmod" device="${DEV}p1" memory_mb=8 slab_size=1 index_mb=8
relay py -m store "$HOST" "$PORT" "device" --filler 9 resident cas
relay py -m store "$HOST" "$PORT" "device" --filler 9 expiry flush
unload_check "device" "${DEV}p1"
wipe "${DEV}p1"
must_load "large: insmod" device="${DEV}p1" memory_mb=16
relay py -m store "$HOST" "$PORT" "large" --filler 18 large
unload_check "large" "${DEV}p1"
unpart

# --- discard=
check "discard: a device that can" null_dev 16 discard=1
log_mark
must_load "discard: insmod" device=/dev/nullb0 memory_mb=8 slab_size=1 index_mb=2 discard=1
same "discard: nothing is said of it" "$(log_new | grep -c 'cannot discard')" 0
check "discard: load 10,000 objects" obj load --count 10000 --seconds 60 --conns 4
all_discarded() { [ "$(stat kfc_discards)" = "$(stat extstore_page_reclaims)" ]; }
check "discard: each slab that was freed" wait_for 10 all_discarded
holds "discard: some were" "$(stat kfc_discards) > 5"
same "discard: no errors" "$(stat kfc_discard_errors)" 0
check "discard: the newest are all there" obj verify --first 9000 --count 1000 --max-misses 1
check "discard: every answer is right or a miss" obj verify --first 4000 --count 4000 --shuffle \
	--max-misses 4000 --seconds 60
holds "discard: many from the device" "$(stat kfc_device_hits) > 500"
items=$(stat curr_items)
unload_check "discard" /dev/nullb0
must_load "discard: insmod again" device=/dev/nullb0 memory_mb=8 slab_size=1 discard=1
check "discard: the objects are back" wait_for 20 back "$items"
check "discard: and right" obj verify --first 9000 --count 1000 --max-misses 1
holds "discard: no checksum failed" "$(sum_of kfc_checksum_failures_) == 0"
unload_check "discard, again" /dev/nullb0
null_gone
check "discard: a device that cannot" null_dev 16
log_mark
must_load "discard: insmod, cannot" device=/dev/nullb0 memory_mb=8 slab_size=1 index_mb=2 discard=1
same "discard: one line says so" "$(log_new | grep -c 'nullb0 cannot discard')" 1
check "discard: load 10,000 objects, cannot" obj load --count 10000 --seconds 60 --conns 4
holds "discard: nothing was, nor tried" "$(stat kfc_discards) + $(stat kfc_discard_errors) == 0"
unload_check "discard, cannot" /dev/nullb0
null_gone

# --- expiry that nobody asks for
gone() { [ "$(stat curr_items)" -le "$1" ]; }
for dev in "${DEV}p1" ""; do
	name="expiry ${dev:+on the device}"
	[ -z "$dev" ] || check "$name: a partition of 64 MiB" part 64
	must_load "$name: insmod" ${dev:+device="$dev"} memory_mb=32 slab_size=1 index_mb=4
	check "$name: 3,000 objects that stay" obj load --count 3000 --seconds 30
	stay=$(stat curr_items)
	check "$name: 2,000 that expire" obj load --first 3000 --count 2000 --ttl $((15 * SLOWER)) --seconds 30
	holds "$name: they are there" "$(stat curr_items) >= $stay + 1950"
	check "$name: they go though nobody asks" wait_for 60 gone "$stay"
	holds "$name: as reclaimed" "$(stat reclaimed) >= 1950"
	same "$name: none was evicted" "$(evicted)" 0
	stats curr_items reclaimed kfc_sweep_reads extstore_page_reclaims | sed 's/^/# /'
	check "$name: the others stay" obj verify --count 3000 --max-misses "$(gave_way)"
	unload_check "$name" ${dev:+"$dev"}
	[ -z "$dev" ] || unpart
done

# --- memory only
must_load "memory: insmod" memory_mb=32 slab_size=1 index_mb=4
relay py -m store "$HOST" "$PORT" "memory" expiry flush cas
unload_check "memory, first"
must_load "memory: insmod again" memory_mb=16 slab_size=1 index_mb=2
check "memory: load 12,000 objects" obj load --count 12000 --seconds 60
same "memory: total_items" "$(stat total_items)" 12000
balance "memory" 12000
holds "memory: some were evicted" "$(stat evictions) > 5000"
check "memory: the newest are all there" obj verify --first 10000 --count 2000 \
	--max-misses 1
check "memory: every answer is right or a miss" obj verify --count 10000 --max-misses 10000 \
	--shuffle --seconds 60
check "memory: mixed commands while it evicts" obj mixed --count 4000 --conns 4 \
	--seconds 6 --ops 12000 --max-misses 1000000
same "memory: the device was never asked" "$(stat kfc_device_reads)" 0
unload_check "memory"

must_load "memory, large: insmod" memory_mb=32
relay py -m store "$HOST" "$PORT" "memory, large" large
unload_check "memory, large"
finish
