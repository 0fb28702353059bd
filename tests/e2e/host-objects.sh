#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck disable=SC2317  # functions are called by check
#
# `make run` on real input: clients on the host, the module in the guest that
# `make run` boots. 100,000 objects in, every one back byte for byte, and the
# counters agree with what was sent.

# shellcheck source-path=SCRIPTDIR
KFC_ON_HOST=1
. "$(dirname "$0")/lib.sh"

PORT=$(py -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
N=100000

answers() {
	py - "$HOST" "$PORT" <<-'END'
	import socket, sys
	s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)
	s.settimeout(2)
	s.sendall(b"version\r\n")
	sys.exit(not s.recv(100).startswith(b"VERSION"))
	END
}
# take the counters; stat and field read what was taken
take() { objects stats > "$T/stats"; }
stat() { awk -v n="$1" '$1 == n { print $2; f = 1 } END { if (!f) print "none" }' "$T/stats"; }

stop() {
	kill -0 "$RUN" 2> /dev/null || return 0
	kill -INT "$RUN"
	wait_for 30 gone || { echo "it did not end on SIGINT"; kill -KILL "$RUN"; return 1; }
}
gone() { ! kill -0 "$RUN" 2> /dev/null; }

round_trip() {
	head -c 3000 /dev/urandom > "$T/small.bin"
	head -c 300000 /dev/urandom > "$T/large.bin"
	memccp --servers="$HOST:$PORT" "$T/small.bin" "$T/large.bin" || return 1
	memccat --servers="$HOST:$PORT" --file="$T/back" small.bin || return 1
	cmp "$T/small.bin" "$T/back" || return 1
	memccat --servers="$HOST:$PORT" --file="$T/back2" large.bin || return 1
	cmp "$T/large.bin" "$T/back2"
}

# a background job of a script ignores SIGINT unless it is told not to
PORT="$PORT" RUN_DISK_MB=4096 MEMORY_ONLY="" MODARGS="memory_mb=32" \
	env --default-signal=INT "$E2E/../../tools/run" > "$T/run" 2>&1 &
RUN=$!
AT_EXIT=stop
i=0
until answers 2> /dev/null; do
	i=$((i + 1))
	if [ $i -gt 150 ] || gone; then
		not_ok "make run serves" "$(tail -n 1 "$T/run")"
		tail -n 20 "$T/run" | sed 's/^/# /'
		finish
	fi
	sleep 1
done
ok "make run serves"

check "load $N objects" objects load --count $N --conns 4 --seconds 400
note "$(tail -n 1 "$T/out")"
take
same "cmd_set is what was sent" "$(stat cmd_set)" $N
same "total_items, too" "$(stat total_items)" $N
same "evictions: none" "$(evicted)" 0
same "a load reads nothing from the device" "$(stat kfc_device_reads)" 0
lost=$(gave_way)
same "curr_items" "$(stat curr_items)" $((N - lost))

check "read every one back" objects verify --count $N --conns 4 --keys 50 --seconds 400 \
	--max-misses "$lost"
note "$(tail -n 1 "$T/out")"
misses=$(field misses)
same "misses: none" "$misses" "$lost"
same "wrong bytes: none" "$(field wrong)" 0
take
same "cmd_get is what was asked for" "$(stat cmd_get)" $N
same "get_hits" "$(stat get_hits)" $((N - misses))
same "get_misses" "$(stat get_misses)" "$misses"
same "hits are from the device or from memory" \
	$(($(stat kfc_device_hits) + $(stat kfc_memory_hits))) "$(stat get_hits)"
holds "most are from the device" "$(stat kfc_device_hits) * 100 > $N * 60"
note "device hits $(stat kfc_device_hits), device reads $(stat kfc_device_reads)," \
	"false reads $(stat kfc_false_reads), memory hits $(stat kfc_memory_hits)"
same "device reads per device hit: exactly 1" \
	$(($(stat kfc_device_reads) - $(stat kfc_false_reads))) "$(stat kfc_device_hits)"
holds "false reads: under 1 in 10,000" "$(stat kfc_false_reads) <= $N / 10000"
same "no checksum failed" $(($(stat kfc_checksum_failures_page) +
	$(stat kfc_checksum_failures_header) + $(stat kfc_checksum_failures_value))) 0

reads=$(stat kfc_device_reads) false=$(stat kfc_false_reads)
check "20,000 gets of absent keys are misses" objects absent --count 20000 --conns 2 --seconds 120
take
same "they read nothing" $(($(stat kfc_device_reads) - reads)) $(($(stat kfc_false_reads) - false))
holds "but for a tag in 10,000 at most" "$(stat kfc_false_reads) - $false <= 2"
same "get_misses counts them" "$(stat get_misses)" $((misses + 20000))

check "in random order" objects verify --count 20000 --shuffle --conns 4 --seconds 200 \
	--max-misses "$misses"
check "memccp, memccat" round_trip
check "memcstat" sh -c "timeout 30 memcstat --servers=$HOST:$PORT > $T/mcstat &&
	grep -q 'kfc_device_hits: [1-9]' $T/mcstat"

check "ends on SIGINT" stop
check "... and says that nothing is left" grep -q "guest is off" "$T/run"
check "the port is free again" sh -c "! grep -qi ':$(printf %04X "$PORT") .* 0A ' /proc/net/tcp"
finish
