#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# guest: mem=1024 smp=1 disk=2048 kernels=6.12 timeout=400
# shellcheck disable=SC2317  # functions are called by check
#
# What happens around it, under load: links that go or lose, the network namespace
# that it was loaded in deleted, a clock that jumps, bytes that change after they
# were sent.

. "$(dirname "$0")/lib.sh"

NS=kfcns
NEAR=10.9.0.1
FAR=10.9.0.2
AT_EXIT=restore
restore() { network_gone; wipe "$DEV"; }

# a network namespace, and a link between it and here
network() {
	modprobe -a veth sch_netem && ip netns add "$NS" && ip link add kfc0 type veth peer name kfc1 netns "$NS" &&
		ip addr add "$NEAR/24" dev kfc0 && ip link set kfc0 up &&
		ip -n "$NS" addr add "$FAR/24" dev kfc1 && ip -n "$NS" link set kfc1 up &&
		ip -n "$NS" link set lo up
}
network_gone() {
	ip link del kfc0
	ip netns del "$NS"
} 2> /dev/null
link_gone() { ! ip link show kfc0; }

around() {
	relay limit 400 /usr/bin/python3 -S -m around "$HOST" "$PORT" "$@" \
		--netns "/run/netns/$NS" --link kfc1 --far $NEAR
}
# mixed_start; mixed_end NAME: random commands meanwhile, without a miss
mixed_start() {
	rm -f "$T/stop"
	in_background "$T/mixed" objects mixed --conns 3 --count 600 --seconds 200 --batch 16 \
		--stop "$T/stop" --sizes 20-3000 --seed "$1"
	MIXED=$BG
	wait_for 20 mixed_runs
}
mixed_runs() { [ "$(stat cmd_set)" -gt 200 ]; }
mixed_end() {
	touch "$T/stop"
	if wait "$MIXED"; then
		ok "$1: mixed commands meanwhile: all right, no connection lost"
	else
		not_ok "$1: mixed commands meanwhile" "$(grep -m 1 '^!' "$T/mixed")"
	fi
	tail -n 1 "$T/mixed" | sed 's/^/# /'
}

check "a network namespace" network

# --- links
must_load "links: insmod" memory_mb=32 upload_mb=8 listen=$HOST,$NEAR
WMEM=$(cat /proc/sys/net/ipv4/tcp_wmem)
# so that answers wait in the module
echo "4096 16384 32768" > /proc/sys/net/ipv4/tcp_wmem
in_background "$T/slowly" py -m around "$HOST" "$PORT" "a slow reader that quits" slowly
slowly=$BG
check "links: loses one packet in five" tc qdisc add dev kfc0 root netem loss 20%
around "a link that loses" lossy
note "$(tc -s qdisc show dev kfc0 | grep -o 'dropped [0-9]*')"
holds "a link that loses: it did" "$(tc -s qdisc show dev kfc0 |
	sed -n 's/.*dropped \([0-9]*\).*/\1/p' | head -n 1) > 20"
tc qdisc del dev kfc0 root
wait "$slowly" || true
relay cat "$T/slowly"
echo "$WMEM" > /proc/sys/net/ipv4/tcp_wmem
log_mark
in_background "$T/halfopen" py -m around "$HOST" "$PORT" "half-open" halfopen \
	--netns "/run/netns/$NS" --link kfc1 --far $NEAR
p=$BG
check "half-open: some are left for rmmod" wait_for 100 grep -q 'left for rmmod' "$T/halfopen"
holds "half-open: they count" "$(stat curr_connections) > 100"
same "half-open: no client can cause a line in the log" "$(log_new | wc -l)" 0
unload_check "half-open"
wait "$p" || true
relay cat "$T/halfopen"

# --- the network namespace that it was loaded in
load_there() {
	ip netns exec "$NS" insmod "$KFC_KO" port="$PORT" memory_mb=32 listen=0.0.0.0 \
		unix=/run/kfc.sock "$@" 2> "$T/insmod"
}
over_unix() {
	py -c 'import socket
s = socket.socket(socket.AF_UNIX)
s.settimeout(10)
s.connect("/run/kfc.sock")
s.sendall(b"version\r\n")
assert s.recv(100).startswith(b"VERSION")'
}
HOST=$FAR
check "namespace: insmod" load_there
same "namespace: nothing listens outside of it" "$(sockets 0A)" 0
mixed_start 80
check "namespace: objects" objects load --count 500
check "namespace: deleted" ip netns del "$NS"
before=$(stat cmd_set)
sets_go_on() { [ "$(stat cmd_set)" -gt $((before + 500)) ]; }
check "namespace: clients are still served" wait_for 30 sets_go_on
check "namespace: what was there is there" objects verify --count 500
check "namespace: new connections are served" objects load --count 500 --first 500 --conns 4
mixed_end "namespace"
check "namespace: it is still there" ip link show kfc0
mixed_start 81
unload_check "namespace"
{ kill -KILL "$MIXED" && wait "$MIXED"; } 2> /dev/null
# its end of the link goes with it
check "namespace: it goes when nobody is left in it" wait_for 60 link_gone

check "namespace without a link" network
check "namespace without a link: insmod" load_there
mixed_start 82
check "namespace without a link: its link goes" ip link del kfc0
check "namespace without a link: deleted" ip netns del "$NS"
check "namespace without a link: a UNIX socket still leads there" over_unix
unload_check "namespace without a link"
{ kill -KILL "$MIXED" && wait "$MIXED"; } 2> /dev/null
HOST=127.0.0.1

# --- a clock that jumps
wipe "$DEV"
must_load "clock: insmod" device="$DEV" memory_mb=8 slab_size=1 index_mb=4
mixed_start 83
around "clock" clock
mixed_end "clock"
holds "clock: expired ones are found unasked" "$(stat reclaimed) > 0"

# --- bytes that change
around "changing" changing --file "$T/changing"
check "changing: rmmod" kfc_unload
must_load "changing: insmod" device="$DEV" memory_mb=8 slab_size=1 index_mb=4
around "changed" changed --file "$T/changing"
unload_check "changing" "$DEV"
finish
