#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# guest: mem=1024 smp=2 disk=2048 kernels=6.12,6.1 timeout=900
# shellcheck disable=SC2317  # functions are called by check
#
# Load, serve, unload, 20 times (8 on 6.1, 5 without a device) on the same port at once, with clients that do
# not stop for it; nothing is ever left. In a soak it is 1,000 times.

. "$(dirname "$0")/lib.sh"

# All of them on the newer kernel, for the sake of time.
ROUNDS=20
[ "$KERNEL" = 6.12 ] || ROUNDS=8
if [ -n "${KFC_SOAK:-}" ]; then ROUNDS=$((ROUNDS * 50)); fi

served() {
	awk '$1 ~ /^cmd_[gs]et$/ && $2 > 20 { n++ } END { exit n != 2 }' /proc/kfatcache/stats
}
# pages that vmalloc areas hold, all of them
vmalloc_pages() {
	sed -n 's/.* pages=\([0-9]*\).*/\1/p' /proc/vmallocinfo |
		awk '{ n += $1 } END { print n + 0 }'
}

# Of each cache of slabs that the module or its sockets take from, how many objects are in use; what
# CPUs keep for themselves is given back first, and so is what files have in memory, which takes radix
# tree nodes, or they would count. The least of three: whatever else
# runs takes a new slab, and all that is in it counts.
slabs() {
	local f i

	for i in 1 2 3; do
		echo 3 > /proc/sys/vm/drop_caches
		for f in /sys/kernel/slab/*/shrink; do echo 1 > "$f"; done
		awk '$1 ~ /^(kmalloc-|TCP|request_sock_TCP|sock_inode_cache|skbuff_|bio|radix_tree_node|pool_work)/ ||
			$1 ~ /^(task_struct|proc_dir_entry|net_namespace|kmem_cache)/ { print $1, $2 }' /proc/slabinfo
		sleep 0.3
	done | awk '!($1 in least) || $2 < least[$1] { least[$1] = $2 }
		END { for (n in least) print n, least[n] }' | sort
}
# more_slabs BEFORE AFTER: caches that grew by an object in two rounds. Whatever else goes on in the
# kernel moves those of all sizes by a hundred: they count over many rounds, in a soak.
more_slabs() {
	awk -v rounds=$ROUNDS 'NR == FNR { was[$1] = $2; next }
		rounds < 200 && $1 ~ /^kmalloc-/ { next }
		$2 - was[$1] > (rounds - 3) / 2 { print $1 " " was[$1] " " $2 }' "$1" "$2"
}
# What is freed after a grace period may take its time; what was lost stays lost.
slabs_back() {
	slabs > "$T/slabs.after"
	[ -z "$(more_slabs "$T/slabs" "$T/slabs.after")" ]
}
percpu() { awk '$1 == "Percpu:" { print $2 }' /proc/meminfo; }
# of all sockets, and of TCP's, how many there are, and pages of memory
socks() { awk '$1 == "sockets:" { a = $3 } $1 == "TCP:" { print a, $5, $9, $11 }' /proc/net/sockstat; }
# socks_back BEFORE: no more than then, none that nobody has. Of pages each CPU keeps up to 256 to
# itself that the sum knows nothing of (SK_MEMORY_PCPU_RESERVE).
socks_back() {
	# shellcheck disable=SC2046,SC2086
	set -- $1 $(socks)
	[ "$5" -le "$1" ] && [ "$6" = 0 ] && [ "$7" -le "$3" ] && [ "$8" -le $((256 * $(nproc) + 64)) ]
}

wrote() { [ "$(stat bytes_written)" -gt "$1" ]; }

# sets after
settled() {
	after=$(uncached)
	[ $((before - after)) -lt 8192 ]
}

# rounds NAME DEVICE PARAM...
rounds() {
	local name=$1 dev=$2 i=0 bad=0 before=0 after vm=0 per=0 sk="" churn start
	shift 2
	rm -f "$T/stop"
	in_background "$T/churn" objects churn --conns 4 --count 200 --batch 16 --seconds $((ROUNDS * 20 * SLOWER)) \
		--stop "$T/stop" --timeout 30 --max-refused 100000 --sizes 20-3000
	churn=$BG
	start=$(date +%s)
	while [ $i -lt $ROUNDS ]; do
		i=$((i + 1))
		kfc_load "$@" 2> "$T/why" || { bad=$((bad + 1)); note "round $i: $(cat "$T/why")"; break; }
		wait_for 30 served || { bad=$((bad + 1)); note "round $i: the clients were not served"; }
		kfc_unload || { bad=$((bad + 1)); note "round $i: rmmod: $?"; break; }
		nothing_left "" > "$T/why" 2>&1 ||
			{ bad=$((bad + 1)); note "round $i: $(tail -n 1 "$T/why")"; }
		# the first rounds may fill caches of the kernel
		if [ $i = 3 ]; then
			before=$(uncached) vm=$(vmalloc_pages) per=$(percpu) sk=$(socks)
			slabs > "$T/slabs"
		fi
	done
	if [ $i = $ROUNDS ] && [ $bad = 0 ]; then
		ok "$name: $ROUNDS rounds under load"
	else
		not_ok "$name: $ROUNDS rounds under load" "$bad wrong in $i rounds"
	fi
	check "$name: after them nothing is left" nothing_left "$dev"
	touch "$T/stop"
	wait "$churn" || not_ok "$name: the clients" "$(grep '^!' "$T/churn" | head -n 1)"
	tail -n 1 "$T/churn" | sed 's/^/# /'
	holds "$name: they were served in each round" "$(field sessions "$T/churn") >= $ROUNDS"
	same "$name: no client got a wrong byte" "$(field wrong "$T/churn")" 0
	if keeps_freed; then
		note "$name: memory is not counted: KASAN keeps what was freed, kmemleak tells"
		return
	fi
	# sockets that were closed last give their pages back when their peers have read
	wait_for 60 settled || true
	note "$name: $(($(date +%s) - start)) s, $before kB to be had after round 3," \
		"$after kB at the end, vmalloc pages $vm, $(vmalloc_pages)"
	holds "$name: memory came back" "$before - $after < 8192"
	holds "$name: vmalloc's too" "$(vmalloc_pages) - $vm < 64"
	[ $ROUNDS -ge 8 ] || return
	wait_for 60 slabs_back || true
	note "$name: per CPU $per kB, $(percpu) kB; sockets, orphans, TCP's, pages: $sk, $(socks)"
	diff "$T/slabs" "$T/slabs.after" | sed 's/^/# /'
	same "$name: objects of slabs, too" "$(more_slabs "$T/slabs" "$T/slabs.after")" ""
	holds "$name: and of each CPU" "$(percpu) - $per < 256"
	check "$name: and sockets" wait_for 60 socks_back "$sk"
}

wipe "$DEV"
rounds "device" "$DEV" device="$DEV" memory_mb=32 index_mb=4
wipe "$DEV"
# the way down is the same but for the device
ROUNDS=5
[ -z "${KFC_SOAK:-}" ] || ROUNDS=50
rounds "memory only" "" memory_mb=32 index_mb=4

# connections that say nothing, half a command, half a value, unread answers
must_load "idle connections: insmod" memory_mb=32
in_background "$T/idle" py -m limits "$HOST" "$PORT" "idle connections" linger
idle=$BG
check "idle connections: they are there" wait_for 60 grep -q '^ready' "$T/idle"
unload_check "idle connections"
wait "$idle" || not_ok "idle connections: all were closed" "$(tail -n 1 "$T/idle")"

# they may ask as long as they are served, when the listeners are closed already
must_load "who is there: insmod" memory_mb=32 threads=2 unix=/run/kfc-who
in_background "$T/who" py -m who /run/kfc-who
check "who is there: they ask" wait_for 30 wrote 100000
unload_check "who is there"
check "who is there: all had answers" wait "$BG"
tail -n 1 "$T/who" | sed 's/^/# /'

# never a client at all, and at once
i=0 bad=0
while [ $i -lt 5 ]; do
	i=$((i + 1))
	if ! kfc_load memory_mb=16 || ! kfc_unload; then bad=1; fi
done
same "loaded and unloaded at once, five times" $bad 0
check "... nothing left" nothing_left
finish
