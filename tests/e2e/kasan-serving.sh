#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# guest: mem=256 smp=2 disk=512 kernels=6.12-kasan timeout=400
# dmesg-allow: vmalloc error|page allocation failure|Call Trace:$
# dmesg-allow: kmemleak: Cannot allocate a scan area
#
# Faults to order, while it serves: allocations of the module and of what it calls,
# and requests to the device.

. "${0%/*}/lib.sh"
. "${0%/*}/faults.sh"

ROUNDS=${KFC_SOAK:+2000}
ROUNDS=${ROUNDS:-100}
DISK=/sys/block/${DEV#/dev/}
SIZES="--sizes 200-12000 --prefix f-"

# shellcheck disable=SC2086
obj() { objects "$@" $SIZES; }
# begin NAME: with objects that have to be read from the device
begin() {
	must_load "$1: insmod" memory_mb=4 slab_size=1 index_mb=1 threads="$THREADS" device="$DEV" \
		udp_port=11299
	check "$1: 1,200 objects" obj load --count 1200 --seconds 120
}
# serve NAME nth|chance ROUNDS
serve() {
	check "$1: right, a miss or refused" objects faultserve "$2" "$3"
	result
}
state() {
	note "$(stats kfc_device_state kfc_device_hits get_misses store_no_memory kfc_evictions_device_error \
		kfc_device_read_errors kfc_device_write_errors kfc_device_read_timeouts \
		kfc_accept_errors kfc_index_growths_put_off)"
}
afterwards() {
	check "$1, over: objects are stored" obj load --count 200 --seconds 60
	check "$1, over: and served" obj verify --count 200 --seconds 60
	state
}
errors() { echo $(($(stat kfc_device_read_errors) + $(stat kfc_device_write_errors) + $(stat kfc_discard_errors))); }

# --- one allocation of each thread, the next one with each round; then some of all
allocations
wipe "$DEV"
begin "one allocation"
fault fail_page_alloc min-order 0
serve "one allocation" nth "$ROUNDS"
# The nth to fail comes after n others, so that it takes more rounds each time.
holds "one allocation: each time another" "$(field failed) * $(field failed) > 20 * $ROUNDS"
holds "one allocation: nearly all goes well" "$(field hits) > 10 * ($(field misses) + $(field refused) + 1)"
for kind in failslab fail_page_alloc; do fault $kind times 100000 probability 3; done
serve "3 % of allocations" chance $((ROUNDS / 4))
failed=$((200000 - $(< $FAULTS/failslab/times) - $(< $FAULTS/fail_page_alloc/times)))
note "$failed allocations failed"
holds "3 % of allocations: there were some" "$failed > 0"
calm
afterwards "allocations"
same "allocations: the device is fine" "$(stat kfc_device_state)" ok
unload_check "allocations" "$DEV"

# --- requests to the device: one in five, then all
begin "requests"
fault fail_make_request verbose 0 times 100000 probability 20
before=$(errors)
log_mark
echo 1 > "$DISK/make-it-fail"
serve "one request in five" chance $((ROUNDS / 4))
echo 0 > "$DISK/make-it-fail"
failed=$((100000 - $(< $FAULTS/fail_make_request/times)))
holds "one request in five: there were some" "$failed > 20"
same "one request in five: each is counted" $(($(errors) - before)) $failed
same "one request in five: the device is used" "$(stat kfc_device_state)" ok
afterwards "one request in five"
fault fail_make_request probability 100
echo 1 > "$DISK/make-it-fail"
serve "each request" chance $((ROUNDS / 4))
same "each request: the device is given up" "$(stat kfc_device_state)" failed
same "each request: one line says so" "$(log_new | grep -c 'failed after 16 errors in a row')" 1
before=$(stat evictions)
check "each request, over: objects are stored" obj load --count 200 --seconds 60
check "each request, over: and served, or evicted" obj verify --count 200 --seconds 60 --max-misses 200
result
holds "each request, over: and counted then" "$(field misses) <= $(stat evictions) - $before"
state
check "requests: rmmod" kfc_unload
calm
echo 0 > "$DISK/make-it-fail"
check "requests: nothing left" nothing_left "$DEV"
wipe "$DEV"
finish
