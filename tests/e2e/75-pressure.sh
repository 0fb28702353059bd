#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# guest: mem=1024 smp=2,1 disk=2048 kernels=6.12,6.1 timeout=300
# shellcheck disable=SC2317  # functions are called by check
#
# The machine is short of memory, or says so: what memory_mb is beyond memory_min_mb goes, and comes back.

. "$(dirname "$0")/lib.sh"

PARAMS=/sys/module/kfatcache/parameters
mib() { echo $(($(stat "$1") >> 20)); }
holds_mib() { [ "$(mib kfc_memory_bytes)" = "$1" ]; }
none_kept() { [ "$(stat kfc_read_pages_kept)" = 0 ]; }
# Every shrinker is asked for all that it has.
press() { echo 2 > /proc/sys/vm/drop_caches; }
# It comes back after 10 s, so nothing is waited for without being asked again.
pressed_to() { press; holds_mib "$1"; }

pressure_at_unload() {
	local i

	in_background /dev/null bash -c 'while :; do echo 2 > /proc/sys/vm/drop_caches; done'
	unload_check "pressure all the time"
	for i in 1 2 3; do
		must_load "pressure all the time: insmod $i" device="$DEV" memory_mb=32 slab_size=2
		check "pressure all the time: $i" objects verify --count 300 --sizes 20000-30000 --seed 1
		unload_check "pressure all the time: $i"
	done
	kill "$BG"
}

wipe "$DEV"
must_load "device: insmod" device="$DEV" memory_mb=32 slab_size=2
check "device: 1,600 objects" objects load --count 1600 --sizes 20000-30000 --seed 1
same "device: memory_min_mb is half" "$(mib kfc_memory_min_bytes)" 16
same "device: all of it is in use" "$(mib kfc_memory_bytes)" 32
avail=$(available)
check "pressure: down to memory_min_mb" wait_for 20 pressed_to 16
holds "pressure: the machine has it" "$(available) - $avail >= 12 * 1024"
press
sleep 1
same "pressure: and not below" "$(mib kfc_memory_bytes)" 16
same "pressure: kfc_shrunk_bytes" "$(mib kfc_shrunk_bytes)" 16
holds "pressure: kfc_shrinks" "$(stat kfc_shrinks) >= 1"
check "pressure: everything is there" objects verify --count 1600 --sizes 20000-30000 --seed 1 \
	--max-misses "$(gave_way)"
same "pressure: no evictions" "$(evicted)" 0
holds "pages kept for reads: as many as io_depth at most" "$(stat kfc_read_pages_kept) <= 256"
check "pages kept for reads: none without clients" wait_for 10 none_kept
check "no pressure: it comes back" wait_for 60 holds_mib 32
same "no pressure: kfc_shrunk_bytes" "$(mib kfc_shrunk_bytes)" 0

# What the kernel has no part in is seen on one of them.
if [ "$KERNEL" = 6.1 ]; then
	pressure_at_unload
	finish
fi

echo 32 > $PARAMS/memory_min_mb
press
sleep 1
same "memory_min_mb=32 at run time: nothing is given" "$(mib kfc_memory_bytes)" 32
log_mark
for bad in 33 -1 x; do
	{ echo "$bad" > $PARAMS/memory_min_mb; } 2> /dev/null && not_ok "memory_min_mb=$bad at run time" "was taken"
done
same "memory_min_mb: what is wrong is said in one line each" "$(log_new | wc -l)" 3
log_new | sed 's/^/# /'
echo 0 > $PARAMS/memory_min_mb
in_background "$T/mixed" objects mixed --conns 4 --ops 100000 --count 600 --seconds 5 --sizes 20-4000 --batch 16
least=$(mib kfc_memory_min_bytes)
for _ in 1 2 3 4; do press; sleep 1; done
holds "memory_min_mb=0: what the log needs stays" "$least >= 8 && $least <= $(mib kfc_memory_bytes)"
wait "$BG"
same "pressure under load: mixed" $? 0
check "pressure under load: down to what it needs" wait_for 20 pressed_to "$least"
check "pressure under load: all is there" objects verify --count 1600 --sizes 20000-30000 --seed 1 \
	--max-misses "$(gave_way)"
pressure_at_unload

must_load "memory only: insmod" memory_mb=32
check "memory only: 1,600 objects" objects load --count 1600 --sizes 20000-30000 --seed 2
same "memory only: memory_min_mb is all of it" "$(mib kfc_memory_min_bytes)" 32
before=$(stat curr_items) evicted=$(stat evictions)
press
sleep 1
same "memory only: nothing is given" "$(mib kfc_memory_bytes)" 32
same "memory only: nothing is evicted" "$(stat curr_items) $(stat evictions)" "$before $evicted"
echo 16 > $PARAMS/memory_min_mb
check "memory only: memory_min_mb=16" wait_for 20 pressed_to 16
holds "memory only: what went is counted" "$before + $evicted == $(stat curr_items) + $(stat evictions)"
unload_check "memory only"
finish
