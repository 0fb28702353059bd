# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Sourced by the scripts here. But for host-*.sh, which set KFC_ON_HOST, they run as root in a guest, in the
# repository's folder; only /tmp, /run and /dev/shm can be written.
#
#   kfc_load PARAM...      insmod; nothing is printed where it works
#   kfc_unload             rmmod
#   stat NAME              one counter of /proc/kfatcache/stats
#   ok NAME; not_ok NAME REASON
#   check NAME COMMAND...  ok where it exits with 0, else its last line is the reason
#   finish                 exit code of the script

export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C PYTHONDONTWRITEBYTECODE=1
E2E=${BASH_SOURCE[0]%/*}
[[ $E2E = /* ]] || E2E=$PWD/$E2E
export PYTHONPATH=$E2E
HOST=127.0.0.1
PORT=${KFC_PORT:-11211}
DEV=${KFC_DEV:-/dev/nvme0n1}
KFC_RESULTS=${KFC_RESULTS:-/tmp}
T=$(mktemp -d /tmp/kfc-e2e.XXXXXX)
SLOWER=${KFC_SLOWER:-1}		# that many times the time of a stock kernel
FAILED=0
BACKGROUND=""
AT_EXIT=""

# Starting Python is what an emulated guest is slowest at: the runner has compiled the modules here,
# and what needs the standard library alone does without site-packages.
py() { /usr/bin/python3 -S "$@"; }

# objects MODE [OPTION...]: the verifying client, by the server that runs below
objects() {
	local line rc=125 fd IFS=$'\x1f'

	if [ -n "${KFC_ON_HOST:-}" ]; then
		py -m objects "$1" "$HOST" "$PORT" "${@:2}"
		return
	fi
	exec {fd}<> "/dev/tcp/127.0.0.1/$OBJECTSD" || return
	printf '%s\n' "$1$IFS$HOST$IFS$PORT$IFS${*:2}" >&"$fd"
	while IFS= read -r line <&"$fd"; do
		case $line in
		"@rc "*) rc=${line#@rc } ;;
		*) printf '%s\n' "$line" ;;
		esac
	done
	exec {fd}>&-
	return "$rc"
}

ok() { echo "ok $1"; }
not_ok() { echo "not ok $1 - ${2:-failed}"; FAILED=$((FAILED + 1)); }
note() { echo "# $*"; }

# check NAME COMMAND...
check() {
	local name=$1 rc=0
	shift
	"$@" > "$T/out" 2>&1 || rc=$?
	if [ $rc = 0 ]; then
		ok "$name"
	else
		not_ok "$name" "exit $rc: $(tail -n 1 "$T/out" | cut -c1-300)"
		head -n 20 "$T/out" | sed 's/^/# /'
	fi
	return 0
}

# same NAME GOT WANTED
same() {
	if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "got '$2', not '$3'"; fi
}

# holds NAME TEST-EXPRESSION... (arithmetic)
holds() {
	local name=$1
	shift
	if (($*)); then ok "$name"; else not_ok "$name" "$*"; fi
}

# passed on what objects.py and the like print: ok, not ok and # lines
relay() {
	local n
	"$@" > "$T/relay" 2>&1 || echo "not ok ${2##*/} - exit $?" >> "$T/relay"
	grep -E '^(ok|not ok|#) ' "$T/relay" || true
	n=$(grep -c '^not ok ' "$T/relay" || true)
	FAILED=$((FAILED + n))
	if [ "$n" != 0 ]; then grep -vE '^(ok|not ok|#) ' "$T/relay" | tail -n 15 | sed 's/^/# /'; fi
}

# All of these but sum_of start nothing: many tests ask for many counters, and a kernel that looks for errors
# takes a third of a second for each program, emulated.
#
# field NAME: of the last RESULT line that check saw, 0 where it has none
field() {
	local -a lines
	local line v=

	mapfile -t lines < "${2:-$T/out}"
	for line in "${lines[@]}"; do
		[[ ! $line =~ ^RESULT\ .*\ $1=([0-9.]*) ]] || v=${BASH_REMATCH[1]:-$v}
	done
	echo "${v:-0}"
}
# result: the RESULT lines that check saw, as a note
result() {
	local -a lines
	local line

	mapfile -t lines < "$T/out"
	for line in "${lines[@]}"; do
		[[ $line != RESULT* ]] || note "$line"
	done
}
stat() {
	local -a lines
	local line

	mapfile -t lines 2> /dev/null < /proc/kfatcache/stats
	for line in "${lines[@]}"; do
		case $line in "$1 "*) echo "${line#* }"; return ;; esac
	done
	echo none
}
# sum_of PREFIX: of all counters whose names start so
sum_of() { awk -v p="$1" 'index($1, p) == 1 { n += $2 } END { print n + 0 }' /proc/kfatcache/stats; }
# gave_way: how many objects were dropped for another key with their tag. Few may, in thousands of
# sets; none is printed for more.
gave_way() {
	local n
	n=$(stat kfc_evictions_tag)
	case $n in [0-3]) echo "$n" ;; *) echo 0 ;; esac
}
# evicted: how many were, but for those
evicted() { echo $(($(stat evictions) - $(gave_way))); }
stats() {
	local -a lines
	local -A v
	local line

	mapfile -t lines 2> /dev/null < /proc/kfatcache/stats
	for line in "${lines[@]}"; do
		v[${line%% *}]=${line#* }
	done
	for line in "$@"; do
		printf '%s=%s ' "$line" "${v[$line]-none}"
	done
	echo
}

# log_mark; log_new: our kernel messages since. The log is never cleared, the runner reads it.
MARK=0
log_mark() { MARK=$(dmesg | wc -l); }
log_all() { dmesg | tail -n +$((MARK + 1)); }
log_new() {
	log_all | grep 'kfatcache: ' | grep -v -e 'taints kernel' -e 'verification failed' |
		cut -c1-400
}

# limit SECONDS COMMAND...: as long on a stock kernel, then it is killed
limit() {
	local seconds=$(($1 * SLOWER))
	shift
	timeout -s KILL $seconds "$@"
}

loaded() { [ -e /sys/module/kfatcache/initstate ]; }

# A device has as long as the default on a stock kernel.
kfc_load() {
	insmod "$KFC_KO" port="$PORT" read_timeout_ms=$((1000 * SLOWER)) "$@" 2> "$T/insmod" && return 0
	echo "insmod $*: $(tail -n 1 "$T/insmod"); $(dmesg | grep 'kfatcache: ' | tail -n 1)" >&2
	return 1
}

# must_load NAME PARAM...: without it the script ends
must_load() {
	local name=$1
	shift
	check "$name" kfc_load "$@"
	loaded || finish
}

kfc_unload() { limit 60 rmmod kfatcache; }

# An emulated CPU more makes whatever is done on the first slower, by half on kernels that look for
# errors; who needs none takes it away for as long.
one_cpu() { cpus 0; }
all_cpus() { cpus 1; }
cpus() {
	local f
	for f in /sys/devices/system/cpu/cpu[1-9]*/online; do
		[ ! -e "$f" ] || echo "$1" > "$f"
	done
}

# kB of memory that could be had. What was freed may stay in lists of a CPU for long (page by page
# it decides how much), and the kernel counts it neither as free nor as available.
available() {
	awk '$1 == "MemAvailable:" { n += $2 } $1 == "count:" { n += 4 * $2 } END { print n }' \
		/proc/meminfo /proc/zoneinfo
}
# once caches are dropped; the middle of three
uncached() {
	for _ in 1 2 3; do
		sync
		echo 3 > /proc/sys/vm/drop_caches
		sleep 0.2
		available
	done | sort -n | sed -n 2p
}

# KASAN keeps what is freed for a while, and it counts as in use. What was lost kmemleak tells there.
keeps_freed() { [ -e /sys/kernel/debug/kmemleak ]; }

# wipe DEVICE: as if it were new
wipe() {
	local size
	size=$(blockdev --getsize64 "$1")
	dd if=/dev/zero of="$1" bs=1M count=1 conv=fsync status=none
	dd if=/dev/zero of="$1" bs=1M count=1 seek=$((size - 1048576)) oflag=seek_bytes \
		conv=fsync status=none
}

# part MIB: a partition of that size as ${DEV}p1, with nothing written to the disk
part() {
	addpart "$DEV" 1 2048 $(($1 * 2048)) || return 1
	wait_for 5 test -b "${DEV}p1" || return 1
	wipe "${DEV}p1"
}
unpart() { if [ -b "${DEV}p1" ]; then wipe "${DEV}p1"; delpart "$DEV" 1; fi; }

# null_dev MIB [ATTRIBUTE=VALUE...]: /dev/nullb0, a device in memory that null_gone takes away
NULLB=/sys/kernel/config/nullb/nullb0
null_dev() {
	local mib=$1 a
	shift
	modprobe null_blk nr_devices=0 || return 1
	mountpoint -q /sys/kernel/config || mount -t configfs config /sys/kernel/config || return 1
	mkdir "$NULLB" || return 1
	for a in "size=$mib" blocksize=4096 memory_backed=1 "$@" power=1; do
		echo "${a#*=}" > "$NULLB/${a%%=*}" || return 1
	done
	wait_for 5 test -b /dev/nullb0
}
null_gone() { if [ -d "$NULLB" ]; then echo 0 > "$NULLB/power"; rmdir "$NULLB"; fi; }

export DM_DISABLE_UDEV=1	# nobody would make the nodes
dm() { limit 30 dmsetup "$@"; }
# dm_table NAME TABLE: what a device of device-mapper does from now on
dm_table() {
	dm suspend --nolockfs --noflush "$1" || return 1
	dm load "$1" --table "$2" || { dm resume "$1"; return 1; }
	dm resume "$1"
}
# dm_remove NAME: it may stand still, or not be there
dm_remove() {
	[ -e "/dev/mapper/$1" ] || return 0
	dm resume "$1" > /dev/null 2>&1
	dm remove --retry "$1"
}

# nap SECONDS: sleep, and nothing is started for it
exec {NAP}<> <(:)
nap() { read -rt "$1" -u "$NAP" || true; }

# wait_for SECONDS COMMAND...: as long on a stock kernel
wait_for() {
	local end=$((SECONDS + $1 * SLOWER)) tries=0
	shift
	while ! "$@" > /dev/null 2>&1; do
		[ $SECONDS -le $end ] || return 1
		# what takes its time is not asked for so often
		if [ $((tries += 1)) -lt 20 ]; then nap 0.1; else nap 0.7; fi
	done
}

# in_background FILE COMMAND...: its pid is in $BG
in_background() {
	local out=$1
	shift
	"$@" > "$out" 2>&1 &
	BG=$!
	BACKGROUND="$BACKGROUND $BG"
}

# sockets STATE (hex: 0A listening, 01 established) on our port
sockets() {
	cat /proc/net/tcp /proc/net/tcp6 2> /dev/null |
		awk -v p="$(printf ':%04X$' "$PORT")" -v s="$1" '$2 ~ p && $4 == s' | wc -l
}

# What a loaded module leaves when it is gone must be nothing. $1: the device it had.
nothing_left() {
	local what

	# of vmalloc areas: a caller that is a bare number lies in a module that is gone
	what=$(cat /proc/[0-9]*/comm 2> /dev/null | awk -v p="$(printf ':%04X$' "$PORT")" '
		FILENAME ~ /modules/ && $1 == "kfatcache" { print "the module is still loaded" }
		FILENAME ~ /slabinfo/ && /^kfc_/ { print "a slab cache is left: " $1 }
		FILENAME ~ /vmalloc/ && $3 ~ /kfc_|kfatcache|^0x/ { print "a vmalloc area is left: " $0 }
		FILENAME ~ /tcp/ && $2 ~ p && $4 == "0A" { print "something listens: " $0 }
		FILENAME == "-" && /^(kfc|kfatcache)/ { print "a thread is left: " $0 }' - \
		/proc/modules /proc/slabinfo /proc/vmallocinfo /proc/net/tcp*)
	if [ -n "$what" ]; then echo "$what"; return 1; fi
	if [ -e /proc/kfatcache ]; then echo "/proc/kfatcache is left"; return 1; fi
	if [ -n "${1:-}" ]; then
		py -c 'import os, sys; os.close(os.open(sys.argv[1], os.O_RDWR | os.O_EXCL))' "$1" ||
			{ echo "$1 cannot be claimed"; return 1; }
	fi
}

# unload_check NAME [DEVICE]
unload_check() {
	check "$1: rmmod" kfc_unload
	check "$1: nothing left" nothing_left "${2:-}"
}

cleanup() {
	local p
	for p in $BACKGROUND; do
		{ kill -KILL "$p" && wait "$p"; } 2> /dev/null || true
	done
	if [ -z "${KFC_ON_HOST:-}" ] && loaded; then kfc_unload || true; fi
	eval "$AT_EXIT"
	rm -rf "$T"
}
trap cleanup EXIT

finish() {
	[ "$FAILED" = 0 ] || exit 1
	exit 0
}

if [ -z "${KFC_ON_HOST:-}" ]; then
	[ -n "${KFC_KO:-}" ] || { echo "not ok environment - KFC_KO is not set"; exit 1; }
	if loaded; then not_ok "a clean start" "the module is loaded already"; exit 1; fi
	if grep -q objects "$0"; then
		exec {fd}< <(py -m objectsd 2>&1)
		BACKGROUND=$!
		read -rt $((60 * SLOWER)) -u "$fd" OBJECTSD
		[[ $OBJECTSD =~ ^[0-9]+$ ]] || { not_ok "objectsd" "it did not start: $OBJECTSD"; finish; }
	fi
fi
