#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck disable=SC2317  # functions are called by check
# guest: kernels=6.12 timeout=240
#
# An NVMe SSD is pulled out of a guest that serves from it, and put back. Gets are
# right or a miss, and the module goes on in memory. The SSD that is back is left
# alone until the next load, which finds nothing on it.

# shellcheck source-path=SCRIPTDIR
KFC_ON_HOST=1
. "$(dirname "$0")/lib.sh"

VM=$E2E/../../tools/vm/guest.py
DISK=$(mktemp "${TMPDIR:-/var/tmp}/kfc-disk.XXXXXX")
G=""
N=4000
SIZES="--sizes 200-4000"

AT_EXIT=cleanup_host
cleanup_host() { [ -z "$G" ] || py "$VM" stop "$G"; rm -f "$DISK"; }
truncate -s 128M "$DISK"

# shellcheck disable=SC2086
obj() { objects "$@" $SIZES; }
in_guest() { py "$VM" exec --seconds 60 "$G" "$@"; }
qmp() { py "$VM" qmp "$G" "$@"; }
start() {
	G=$(mktemp -d "$T/g.XXX")
	PORT=$(py "$VM" start "$G" --kernel "$KERNEL" --smp 1 --limit 220 --forward 0:11211 --qemu \
		"-blockdev raw,node-name=ssd,cache.no-flush=on,file.driver=file,file.filename=$DISK")
}
# QEMU has it until the guest has let go of the last one
plug_in() { wait_for 20 qmp device_add driver=nvme id=ssd0 drive=ssd serial=ssd0; }
pull() { qmp device_del id=ssd0; }
# the one SSD that is there, whatever number it got; one that was pulled has no size
find_disk() {
	# shellcheck disable=SC2016
	in_guest 'for i in $(seq 50); do
			for d in $(ls /sys/block | grep nvme); do
				[ "$(cat /sys/block/$d/size)" = 0 ] || { echo "$d"; exit; }
			done
			sleep 0.2
		done
		exit 1' > "$T/disk" && NAME=$(cat "$T/disk")
}
insmod_there() {
	in_guest "insmod $KFC_KO device=/dev/$NAME memory_mb=8 slab_size=1 index_mb=2 \
		read_timeout_ms=500 listen=0.0.0.0"
}
# sectors written to the SSD since it was plugged in
written() { in_guest "awk '{ print \$7 }' /sys/block/$NAME/stat"; }
# Counters as they are now; stat reads what was taken.
take() { objects stats > "$T/stats"; }
stat() { awk -v n="$1" '$1 == n { print $2; f = 1 } END { if (!f) print "none" }' "$T/stats"; }
failed() { take && [ "$(stat kfc_device_state)" = failed ]; }
lines() { in_guest "dmesg | grep -c 'kfatcache: .*$1'"; }
# New objects have a tenth of memory, here less than a slab: they go as soon as theirs is full, which
# is once in a thousand.
served_again() {
	local i
	for i in 1 2 3; do
		obj load --count 200 --seed "$1$i" --conns 3 || return
		obj verify --count 200 --seed "$1$i" --conns 3 --max-misses 200 || return
		[ "$(field misses)" != 0 ] || return 0
	done
	return 1
}
served() { check "$1: new objects are stored and served" served_again "$2"; }

check "boot" start
check "plugged in" in_guest "modprobe nvme"
check "plugged in: QEMU has it" plug_in
check "plugged in: the guest, too" find_disk
NAME=$(cat "$T/disk")
check "insmod" insmod_there
check "$N objects" obj load --count $N --conns 3 --seconds 60
check "they come back" obj verify --count 1000
take
holds "most from the SSD" "$(stat kfc_device_hits) > 700"
same "the SSD is fine" "$(stat kfc_device_state)" ok

in_background "$T/mixed" obj mixed --conns 3 --count 1200 --seconds 60 --batch 16 \
	--stop "$T/stop" --max-misses 10000000 --max-refused 10000000
MIXED=$BG
sleep 2
check "pulled" pull
check "pulled: kfc_device_state says so" wait_for 20 failed
check "pulled: right or a miss" obj verify --count $N --shuffle --max-misses $N --timeout 20
note "$(tail -n 1 "$T/out")"
holds "pulled: what was on the SSD is a miss" "$(field misses) > $N / 2"
touch "$T/stop"
if wait "$MIXED"; then
	ok "pulled: mixed commands meanwhile: right or a miss, no connection lost"
else
	not_ok "pulled: mixed commands meanwhile" "$(grep -m 1 '^!' "$T/mixed")"
fi
tail -n 1 "$T/mixed" | sed 's/^/# /'
same "pulled: one line says so" "$(lines 'failed after')" 1
same "pulled: after its removal" "$(lines 'failed after its removal')" 1
holds "pulled: the others are limited" "$(lines 'I/O error') <= 40"
served "pulled" 50

check "put back" plug_in
check "put back: the guest has it" find_disk
note "it was $NAME and is $(cat "$T/disk")"
NAME=$(cat "$T/disk")
take
reads=$(stat kfc_device_reads)
served "put back" 51
check "put back: 9,000 more objects" obj load --first $N --count 9000 --seconds 60
check "put back: the newest are right" obj verify --first $((N + 8800)) --count 200 --max-misses 200
served "put back, and full" 52
check "put back: what was on it is still a miss" obj verify --count $((N / 2)) \
	--max-misses $((N / 2)) --min-misses $((N / 2))
take
same "put back: it is not used, says the state" "$(stat kfc_device_state)" failed
same "put back: nothing is read" "$(stat kfc_device_reads)" "$reads"
same "put back: nothing is written to it" "$(written)" 0

check "rmmod" in_guest "rmmod kfatcache"
same "rmmod: a line says that the SSD could not be told" "$(lines 'that cannot be written to it')" 1
same "rmmod: nothing was written to it" "$(written)" 0
check "insmod again" insmod_there
take
same "insmod again: the SSD is used" "$(stat kfc_device_state)" ok
same "insmod again: it is empty" "$(stat curr_items)" 0
check "insmod again: nothing of before is there" obj verify --count $((N + 9000)) \
	--max-misses $((N + 9000)) --min-misses $((N + 9000))
check "insmod again: $N objects" obj load --count $N --seconds 60
check "insmod again: they come back" obj verify --count 1000
take
holds "insmod again: from the SSD" "$(stat kfc_device_hits) > 700"
check "rmmod again" in_guest "rmmod kfatcache"
check "no warning" in_guest "! dmesg | grep -E 'WARNING:|BUG|Oops|Call Trace|refcount_t|blocked for'"
finish
