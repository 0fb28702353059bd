#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck disable=SC2317  # functions are called by check
# guest: mem=1024 smp=1 disk=2048 kernels=6.12 timeout=300
#
# lru_crawler metadump and stats cachedump: what is listed is what is there, on
# a device and in memory, with clients that go, wait, or change it meanwhile.

. "$(dirname "$0")/lib.sh"

TOOL=$KFC_CACHE/unpacked/memcached/usr/share/memcached/scripts/memcached-tool
PARAM=/sys/module/kfatcache/parameters/dump_enabled

dump() { relay py -m dump "$HOST" "$PORT" "$@"; }
keys() {
	py -c 'import json, sys
for k in json.load(open("/tmp/kfc-dump.json")): sys.stdout.buffer.write(k.encode("latin1") + b"\n")' |
		sort
}

# libmemcached's: a cachedump of each class
memcdump_all() {
	limit 60 memcdump --servers="$HOST:$PORT" > "$T/memcdump" || return 1
	# memcdump ends a key at a byte that is no character
	keys | sed 's/\xff.*//' | sort > "$T/keys"
	sort "$T/memcdump" | cmp - "$T/keys"
}
tool_keys() {
	limit 60 perl "$TOOL" "$HOST:$PORT" keys > "$T/tool" || return 1
	[ "$(grep -c '^key=.* exp=.* size=' "$T/tool")" = "$(keys | wc -l)" ]
}
# what it prints are commands that store the objects again
tool_dump() {
	limit 60 perl "$TOOL" "$HOST:$PORT" dump 200 > "$T/tool" || return 1
	[ "$(grep -ac '^add dump-[0-9]*.* [0-9]* [0-9]* [0-9]*.$' "$T/tool")" -ge 199 ]
}
refused() {
	local want='ERROR metadump not allowed'
	echo 0 > "$PARAM"
	[ "$(printf 'lru_crawler metadump all\r\nquit\r\n' | nc -q5 "$HOST" "$PORT")" = "$want"$'\r' ] &&
		printf 'stats cachedump 1 0\r\nquit\r\n' | nc -q5 "$HOST" "$PORT" |
		grep -q '^CLIENT_ERROR stats cachedump not allowed' &&
		printf 'stats settings\r\nquit\r\n' | nc -q5 "$HOST" "$PORT" |
		grep -q '^STAT dump_enabled no' && echo 1 > "$PARAM"
}

# a socket takes so little that a dump has to wait for its client
WMEM=/proc/sys/net/ipv4/tcp_wmem
wmem=$(cat $WMEM)
AT_EXIT="unpart; rm -f /tmp/kfc-dump.json; echo $wmem > $WMEM"
echo 4096 16384 32768 > $WMEM

check "a partition of 128 MiB" part 128
must_load "device: insmod" device="${DEV}p1" memory_mb=8 slab_size=1 index_mb=4 set_wait_ms=20000
dump "device" fill
reads=$(stat kfc_device_reads_dump)
dump "device" lines words
holds "device: pages were read" "$(stat kfc_device_reads_dump) - $reads > 10"
dump "device" goes two load
check "device: memcdump" memcdump_all
check "device: memcached-tool keys" tool_keys
check "device: memcached-tool dump" tool_dump
check "device: dump_enabled=0" refused
same "device: all reads have ended" "$(stat kfc_reads_in_flight)" 0
holds "device: no checksum failed" "$(sum_of kfc_checksum_failures_) == 0"
in_background "$T/begin" py -m dump "$HOST" "$PORT" "device" begin
begin=$BG
check "device: a dump begins" wait_for 20 grep -q ready "$T/begin"
unload_check "device: in the middle of a dump" "${DEV}p1"
check "device: its client was told" wait "$begin"
unpart

must_load "memory: insmod" memory_mb=64 slab_size=1 index_mb=4 set_wait_ms=20000
dump "memory" fill lines goes two
check "memory: memcdump" memcdump_all
same "memory: nothing was read" "$(stat kfc_device_reads_dump)" 0
unload_check "memory"
finish
