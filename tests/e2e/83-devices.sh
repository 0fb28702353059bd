#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# guest: mem=1024 smp=1 disk=2048 kernels=6.12 timeout=400
#
# One cache on two devices of different size: restarts, one that fails and comes
# back, one that hangs, and sets that are none. The devices are parts of the disk
# below device-mapper, so that each can be changed while it serves.

. "$(dirname "$0")/lib.sh"

A=/dev/mapper/kfca
B=/dev/mapper/kfcb
MIB_A=48
MIB_B=80
SIZES="--sizes 200-8000"
AT_EXIT=restore

# shellcheck disable=SC2086
obj() { objects "$@" $SIZES; }
restore() { dm_remove kfca; dm_remove kfcb; wipe "$DEV"; }
linear_a() { echo "0 $((MIB_A * 2048)) linear $DEV 0"; }
linear_b() { echo "0 $((MIB_B * 2048)) linear $DEV $((64 * 2048))"; }
error_b() { echo "0 $((MIB_B * 2048)) error"; }
# begin_on DEVICES
begin_on() {
	kfc_load device="$1" memory_mb=8 slab_size=1 index_mb=4 read_timeout_ms=$((500 * SLOWER))
}
state() { stats kfc_device curr_items kfc_evictions_device_error kfc_device_read_errors \
	kfc_device_write_errors | sed 's/^/# /'; }
degraded() { [ "$(stat kfc_device_state)" = degraded ]; }
items_back() { [ "$(stat curr_items)" -ge "${1:-5900}" ]; }

if ! modprobe dm-mod; then
	not_ok "device mapper" "its module is not to be had"
	finish
fi
wipe "$DEV"
check "device 0" dm create kfca --table "$(linear_a)"
check "device 1" dm create kfcb --table "$(linear_b)"
wait_for 5 test -b "$A" -a -b "$B" || { not_ok "two devices" "not there"; finish; }

log_mark
check "insmod on two" begin_on "$A,$B"
same "each has a line" "$(log_new | grep -cE 'device [01] of 2: ')" 2
same "both are fine" "$(stat kfc_device_state) $(stat kfc_device_0_state) $(stat kfc_device_1_state)" \
	"ok ok ok"
check "6,000 objects" obj load --count 6000 --seconds 60
check "they come back" obj verify --count 6000 --shuffle --max-misses 2
holds "most from the devices" "$(stat kfc_device_hits) > 1000"
unload_check "two" "$A"

# --- the other way round
log_mark
check "insmod in another order" begin_on "$B,$A"
check "in another order: all are back" wait_for 20 items_back
check "in another order: as they were" obj verify --count 6000 --shuffle --max-misses 2
same "in another order: nothing was evicted" "$(evicted)" 0

# --- one hangs: what lies on the other is served, and so are sets
check "hang: device 1 stands still" dm suspend --nolockfs --noflush kfcb
start=$(date +%s)
check "hang: sets are answered" obj load --first 20000 --count 12000 --conns 2 --max-refused 600 \
	--seconds 90
check "hang: right or a miss" obj verify --first 20000 --count 500 --max-misses 500 --timeout 20 \
	--seconds 60
note "sets and gets took $(($(date +%s) - start)) s"
state
check "hang: over" dm resume kfcb
check "hang: both go on" obj load --count 6000 --seconds 60
same "hang: nobody was given up" "$(stat kfc_device_state)" ok

# --- one fails: only what is there goes
log_mark
check "failure: dm-error" dm_table kfcb "$(error_b)"
check "failure: right or a miss" obj verify --count 6000 --shuffle --max-misses 6000
misses=$(field misses)
check "failure: sets are answered" obj load --first 40000 --count 3000 --max-refused 300 --seconds 60
check "failure: it is said" wait_for 20 degraded
same "failure: of which" "$(stat kfc_device_0_state) $(stat kfc_device_1_state)" "ok failed"
same "failure: one line says so" "$(log_new | grep -c 'going on without it')" 1
holds "failure: most of what lay on the other is served" "$misses < 5000"
holds "failure: evictions count" "$(stat kfc_evictions_device_error) > 500"
check "failure: new objects are stored" obj load --count 1000 --seed 50
check "failure: and served" obj verify --count 1000 --seed 50 --max-misses 2
state
check "failure: the device is back" dm_table kfcb "$(linear_b)"
unload_check "failure" "$A"

# --- and starts empty, the other one as it was
log_mark
check "after the failure: insmod" begin_on "$A,$B"
check "after the failure: the rest is back" wait_for 20 items_back 900
check "after the failure: as it was" obj verify --count 1000 --seed 50 --max-misses 2
same "after the failure: it says which starts empty" \
	"$(log_new | grep -c 'failed in the last load, so it starts empty')" 1
same "after the failure: both are fine" "$(stat kfc_device_state)" ok
unload_check "after the failure" "$A"

# --- not the set that it was
log_mark
check "one alone: insmod" begin_on "$A"
same "one alone: empty" "$(stat curr_items)" 0
same "one alone: says so" "$(log_new | grep -c 'the cache starts empty')" 1
unload_check "one alone" "$A"
check "another load: insmod" begin_on "$A,$B"
same "another load: empty" "$(stat curr_items)" 0
unload_check "another load" "$A"
check "somebody's data on one" dd if=/dev/urandom of="$B" bs=4096 count=1 conv=fsync,notrunc status=none
check "somebody's data on the last page, too" dd if=/dev/urandom of="$B" bs=4096 count=1 \
	seek=$((MIB_B * 256 - 1)) conv=fsync,notrunc status=none
before=$(dd if="$A" bs=4096 count=1 status=none | md5sum)
if begin_on "$A,$B"; then
	not_ok "somebody's data: refused" "taken"
	kfc_unload
else
	ok "somebody's data: refused"
fi
same "somebody's data: nothing was written" "$(dd if="$A" bs=4096 count=1 iflag=direct status=none | md5sum)" \
	"$before"
finish
