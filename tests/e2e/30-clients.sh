#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck disable=SC2317  # functions are called by check
# guest: mem=1024 smp=2,1 disk=2048 kernels=6.12,6.1 timeout=600
#
# Real clients, on a device and with so little memory that most answers come
# from it.

. "$(dirname "$0")/lib.sh"

# memccapable prints "[FAIL]" or "[pass]" a test, and its exit code tells no more
capable() {
	limit 120 memccapable -h "$HOST" -p "$PORT" "$1" -t 20 > "$T/capable" 2>&1
	local rc=$? passed
	passed=$(grep -c '\[pass\]' "$T/capable")
	grep -v '\[pass\]' "$T/capable"
	[ "$rc" = 0 ] && [ "$passed" = 27 ] && grep -q '^All tests passed' "$T/capable"
}

# bounded by its -t; what it verified and found wrong is in its last lines
aslap() {
	cat > "$T/aslap.conf" <<-END
	key
	30 60 1
	value
	200 1000 0.5
	1000 9000 0.5
	cmd
	0 0.4
	1 0.6
	END
	limit 90 memcaslap -s "$HOST:$PORT" -F "$T/aslap.conf" -t $((10 * SLOWER))s -v 0.5 \
		-d 5 -w 1k -c 16 -T 2 > "$T/aslap" 2>&1 || { tail -n 3 "$T/aslap"; return 1; }
	grep -E '^(cmd_get|cmd_set|get_misses|verify_misses|verify_failed):' "$T/aslap" |
		tr '\n' ' '
	echo
	[ "$(aslap_says cmd_get)" -gt 500 ] && [ "$(aslap_says cmd_set)" -gt 200 ] &&
		[ "$(aslap_says get_misses)" = 0 ] && [ "$(aslap_says verify_misses)" = 0 ] &&
		[ "$(aslap_says verify_failed)" = 0 ] &&
		! grep -i -e 'corrupt' -e 'unexpected' -e 'failed to' "$T/aslap"
}
aslap_says() { awk -v n="$1:" '$1 == n { v = $2 } END { print v + 0 }' "$T/aslap"; }

round_trip() {
	local f
	mkdir -p "$T/in" "$T/back"
	for f in one two three; do
		head -c $((RANDOM * 3 + 1)) /dev/urandom > "$T/in/$f.bin"
	done
	head -c 200000 /dev/urandom > "$T/in/large.bin"
	memccp --servers="$HOST:$PORT" "$T"/in/*.bin || return 1
	objects load --count 600 --sizes 20000-60000 --seed 31 || return 1
	for f in one two three large; do
		memccat --servers="$HOST:$PORT" --file="$T/back/$f.bin" "$f.bin" || return 1
		cmp "$T/in/$f.bin" "$T/back/$f.bin" || return 1
	done
	# on a terminal's way: the value and a newline
	[ "$(memccat --servers="$HOST:$PORT" one.bin | head -c 1000 | md5sum)" = \
		"$(head -c 1000 "$T/in/one.bin" | md5sum)" ]
}

wipe "$DEV"
must_load "insmod" device="$DEV" memory_mb=8 slab_size=1
check "memccapable -a" capable -a
check "memccapable -b" capable -b

check "memcaslap: nothing missing, nothing wrong" aslap
note "$(tail -n 1 "$T/out")"
holds "memcaslap: some of it came from the device" "$(stat kfc_device_hits) > 50"

check "memcstat" sh -c "timeout $((30 * SLOWER)) memcstat --servers=$HOST:$PORT > $T/mcstat &&
	grep -q 'kfc_device_hits' $T/mcstat && grep -q 'curr_items: [1-9]' $T/mcstat"
check "memcstat --server-version" sh -c \
	"timeout $((30 * SLOWER)) memcstat --server-version --servers=$HOST:$PORT 2>&1 | grep -F 1.6.18"
check "memccp, memccat" round_trip

relay limit 120 /usr/bin/python3 "$E2E/clients.py" "$HOST" "$PORT" pymemcache \
	pymemcache --filler 10
relay limit 120 /usr/bin/python3 "$E2E/clients.py" "$HOST" "$PORT" pylibmc \
	pylibmc --filler 10

stats cmd_get cmd_set get_hits kfc_device_hits kfc_device_reads kfc_device_reads_modify \
	kfc_memory_hits kfc_false_reads | sed 's/^/# /'
holds "no checksum failed" "$(sum_of kfc_checksum_failures_) == 0"
unload_check "clients" "$DEV"
wipe "$DEV"
finish
