#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# guest: mem=1024 smp=2 disk=2048 kernels=6.12 timeout=900
# shellcheck disable=SC2317  # functions are called by check
#
# At the limits: connections, idle ones, slow and rude clients, a CPU that goes.

. "$(dirname "$0")/lib.sh"

AT_EXIT="unpart"
limits() { relay limit 220 /usr/bin/python3 -S -m limits "$HOST" "$PORT" "$@"; }

must_load "max_conns: insmod" memory_mb=32 max_conns=50
log_mark
limits "max_conns" max_conns --max-conns 50
holds "max_conns: at most a line a change in the log" "$(log_new | wc -l) <= 4"
unload_check "max_conns"

must_load "idle_timeout: insmod" memory_mb=32 idle_timeout=2
limits "idle_timeout" idle --idle 2
unload_check "idle_timeout"

wipe "$DEV"
must_load "long values: insmod" device="$DEV" memory_mb=16 io_depth=4 read_timeout_ms=60000
limits "long values" long
limits "answers" answers
unload_check "long values"

must_load "hogs: insmod" device="$DEV" memory_mb=16
limits "hogs" hogs
limits "hogs that quit" gone_hogs
limits "urgent data" urgent
unload_check "hogs"

check "pins: a partition of 24 MiB" part 24
must_load "pins: insmod" device="${DEV}p1" memory_mb=4 slab_size=1 index_mb=2
limits "pins" pins
unload_check "pins" "${DEV}p1"
unpart

wipe "$DEV"
must_load "insmod" device="$DEV" memory_mb=32 upload_mb=4
log_mark
limits "slow senders" uploads --upload 4
check "slow sender, enough budget: 3 values" objects sender --conns 3 --count 3 --sizes 300000 \
	--rate 60000 --seconds 40 --seed 12
limits "slow readers" readers
check "slow reader: objects" objects load --count 60 --sizes 100000 --seed 13
check "slow reader: reads them in 5 s" objects reader --count 60 --sizes 100000 --seed 13 \
	--rate 1200000 --seconds 60
limits "half commands" halves
limits "garbage" garbage
limits "storm" storm
limits "unread answers" pipeline
check "dribbled commands" objects split --count 10 --sizes 20-600 --piece 3 --seconds 40
same "no client can cause a line in the log" "$(log_new | wc -l)" 0
same "fatcache's 'out of socket memory': not after all of these" \
	"$(log_all | grep -ciE 'out of socket memory|tcp: out of memory|too many orphaned')" 0

# --- a CPU goes and comes back while clients are served
cpu=/sys/devices/system/cpu/cpu1/online
if [ -w $cpu ]; then
	rm -f "$T/stop"
	in_background "$T/mixed" objects mixed --conns 6 --count 600 --seconds 60 --stop "$T/stop" \
		--sizes 20-4000 --batch 16 --max-misses 1000000
	p=$BG
	sleep 2
	bad=0
	for _ in 1 2; do
		echo 0 > $cpu || bad=$((bad + 1))
		sleep 1.5
		before=$(stat cmd_get)
		sleep 1
		[ "$(stat cmd_get)" -gt "$before" ] || { bad=$((bad + 1)); note "no gets while it is offline"; }
		check "CPU offline: new connections are served" objects load --count 20 --seed 14 --conns 4
		echo 1 > $cpu || bad=$((bad + 1))
		sleep 1
	done
	same "CPU offline: those that were there are served" $bad 0
	touch "$T/stop"
	if wait "$p"; then
		ok "CPU offline: every answer is right"
	else
		not_ok "CPU offline: every answer is right" "$(tail -n 1 "$T/mixed")"
	fi
	tail -n 1 "$T/mixed" | sed 's/^/# /'
	check "CPU online again: served" objects verify --count 20 --seed 14 --conns 4
	echo 0 > $cpu
	unload_check "CPU offline" "$DEV"
	echo 1 > $cpu
else
	not_ok "CPU offline" "this guest has but one"
	unload_check "limits" "$DEV"
fi
wipe "$DEV"
finish
