#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# guest: mem=1024 smp=1 disk=2048 kernels=6.12 timeout=400
#
# What stats and its groups tell, in the text and binary protocols, and that memory for objects can
# change while it is in use.

. "$(dirname "$0")/lib.sh"

PARAMS=/sys/module/kfatcache/parameters
limit_mb() { echo $(($(stat limit_maxbytes) >> 20)); }
bytes_within() { [ "$(stat bytes)" -le $(($1 << 20)) ]; }
available_from() { [ "$(available)" -ge $(($1 * 1024)) ]; }

must_load "memory only: insmod" memory_mb=32 index_mb=16
relay limit 100 /usr/bin/python3 -S -m stats "$HOST" "$PORT"

# --- memory for objects
check "cache_memlimit: 1,000 objects" objects load --count 1000 --sizes 20000-30000 --seed 5
before=$(stat curr_items)
same "cache_memlimit 16 is taken" \
	"$(printf 'cache_memlimit 16\r\nquit\r\n' | limit 10 nc -q 5 "$HOST" "$PORT" | tr -d '\r')" OK
same "cache_memlimit: limit_maxbytes follows" "$(limit_mb)" 16
check "cache_memlimit: objects go until the rest fits" wait_for 20 bytes_within 16
holds "cache_memlimit: what went is counted" "$before == $(stat curr_items) + $(stat evictions)"
note "$before objects before, $(stat curr_items) after, $(stat evictions) evictions"
check "cache_memlimit: the rest is whole" objects verify --count 1000 --sizes 20000-30000 --seed 5 \
	--max-misses 1000
echo 64 > $PARAMS/memory_mb
same "memory_mb=64 at run time" "$(limit_mb)" 64
check "memory_mb=64: 1,600 objects" objects load --count 1600 --sizes 20000-30000 --seed 6
holds "memory_mb=64: they take more than before" "$(stat bytes) > 33554432"
log_mark
for bad in 3 133 x ''; do
	{ echo "$bad" > $PARAMS/memory_mb; } 2> /dev/null &&
		not_ok "memory_mb=$bad at run time" "was taken"
done
same "memory_mb: what is wrong is said in one line each" "$(log_new | wc -l)" 4
log_new | sed 's/^/# /'
held() { echo $(($(stat kfc_memory_bytes) >> 20)); }
holds_mib() { [ "$(held)" = "$1" ]; }
check "memory_mb=64: they are taken" wait_for 30 holds_mib 64
avail=$(($(available) / 1024)) was=$(limit_mb)
echo 16 > $PARAMS/memory_mb
check "memory_mb=16: objects go" wait_for 30 bytes_within 16
check "memory_mb=16: they are given back" wait_for 30 holds_mib 16
check "memory_mb=16: memory comes back" wait_for 20 available_from $((avail + (was - 16) / 2))
note "$avail MiB to be had at $was MiB, then $(($(available) / 1024))"
unload_check "memory only"

wipe "$DEV"
must_load "device: insmod" device="$DEV" memory_mb=32
check "device: 600 objects" objects load --count 600 --sizes 20000-30000 --seed 7
in_background "$T/mixed" objects mixed --conns 4 --ops 100000 --count 600 --seconds 10 --sizes 20-4000 \
	--batch 16
for mb in 16 64 24 32; do
	echo $mb > $PARAMS/memory_mb
	same "device: memory_mb=$mb under load" "$(limit_mb)" $mb
	sleep 1
done
if wait "$BG"; then ok "device: every answer is right"; else not_ok "device" "$(tail -n 1 "$T/mixed")"; fi
check "device: nothing was lost" objects verify --count 600 --sizes 20000-30000 --seed 7
unload_check "device" "$DEV"
wipe "$DEV"
finish
