#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# guest: mem=1024 smp=1 disk=2048 kernels=6.12 timeout=600
# shellcheck disable=SC2317  # functions are called by check
#
# A device that lies, hangs and fails, under load: every answer is right or a
# miss, connections go on, counters tell, and the module unloads. The module gets
# a device-mapper device, so that what is below it can be changed while it serves.

. "$(dirname "$0")/lib.sh"

NAME=kfcfault
DM=/dev/mapper/$NAME
MIB=32
SECTORS=$((MIB * 2048))
SIZES="--sizes 200-8000"
AT_EXIT=restore

# shellcheck disable=SC2086
obj() { objects "$@" $SIZES; }
restore() { dm_remove "$NAME"; null_gone; wipe "$DEV"; }
# table LINE: what the device does from now on
table() { dm_table "$NAME" "0 $SECTORS $1"; }
linear() { table "linear $DEV 0"; }

checksum_failures() {
	echo $(($(stat kfc_checksum_failures_page) + $(stat kfc_checksum_failures_header) +
		$(stat kfc_checksum_failures_value)))
}
state() { stats kfc_device_state curr_items evictions kfc_evictions_device_error \
	kfc_device_read_errors kfc_device_read_timeouts kfc_device_write_errors \
	kfc_checksum_failures_page kfc_checksum_failures_header kfc_checksum_failures_value \
	kfc_checksum_failures_summary | sed 's/^/# /'; }

blank() { linear && wipe "$DM"; }
# begin NAME: with the device as it should be, and 6,000 objects on it
begin() {
	check "$1: a blank device" blank
	must_load "$1: insmod" device="$DM" memory_mb=8 slab_size=1 index_mb=4 read_timeout_ms=$((500 * SLOWER))
	check "$1: 6,000 objects" obj load --count 6000 --seconds 60
	check "$1: they come back" obj verify --first 500 --count 500 --max-misses 1
	holds "$1: most from the device" "$(stat kfc_device_hits) > 400"
}

# mixed_start, mixed_end NAME: random commands meanwhile, with misses and refusals
mixed_start() {
	rm -f "$T/stop"
	in_background "$T/mixed" obj mixed --conns 3 --count 1200 --seconds 90 --batch 16 \
		--stop "$T/stop" --max-misses 10000000 --max-refused 10000000
	MIXED=$BG
	sleep 1
}
mixed_end() {
	touch "$T/stop"
	if wait "$MIXED"; then
		ok "$1: mixed commands meanwhile: right or a miss, no connection lost"
	else
		not_ok "$1: mixed commands meanwhile" "$(grep -m 1 '^!' "$T/mixed")"
	fi
	tail -n 1 "$T/mixed" | sed 's/^/# /'
}

# as many objects as there were are right or a miss
right_or_miss() {
	check "$1: right or a miss" obj verify --count "${2:-6000}" --shuffle --seconds 60 \
		--max-misses 6000 --timeout 20
	note "$(tail -n 1 "$T/out")"
}
failed() { [ "$(stat kfc_device_state)" = failed ]; }
served() {
	check "$1: new objects are stored" obj load --count 200 --seed 50 --conns 3
	check "$1: and served" obj verify --count 200 --seed 50 --conns 3
}

if ! modprobe -a dm-mod dm-flakey; then
	not_ok "device mapper" "its modules are not to be had"
	finish
fi
check "a device-mapper device" dm create "$NAME" --table "0 $SECTORS linear $DEV 0"
wait_for 5 test -b "$DM" || { not_ok "a device-mapper device" "no $DM"; finish; }

# --- bits flip below: one in each third page, where slabs are
begin "bit flips"
check "bit flips: written below" py - "$DEV" $MIB <<-'END'
	import os, random, sys
	rnd = random.Random(3)
	fd = os.open(sys.argv[1], os.O_RDWR)
	os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
	pages = int(sys.argv[2]) * 256
	n = 0
	for page in range(8 * 256, pages - 256, 3):
	    b = bytearray(os.pread(fd, 4096, page * 4096))
	    b[rnd.randrange(4096)] ^= 1 << rnd.randrange(8)
	    n += os.pwrite(fd, b, page * 4096)
	os.fsync(fd)
	os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
	print("%d pages" % (n // 4096))
END
mixed_start
right_or_miss "bit flips"
misses=$(field misses)
mixed_end "bit flips"
holds "bit flips: some are misses" "$misses > 250"
holds "bit flips: most are not" "$misses < 4500"
holds "bit flips: they were found by their checksums" "$(checksum_failures) > 250"
before=$(checksum_failures)
check "bit flips: what was lost stays lost" obj verify --count 2000 --max-misses 2000
holds "bit flips: and is not read again" "$(checksum_failures) - $before < 50"
# the log goes round over damaged summaries
check "bit flips: 17,000 more objects" obj load --first 6000 --count 17000 --seconds 90
holds "bit flips: the log went round" "$(stat extstore_page_evictions) > 15"
note "damaged summaries: $(stat kfc_checksum_failures_summary)"
check "bit flips: nothing old came back" obj verify --count 4000 --max-misses 4000
check "bit flips: the newest are right" obj verify --first 21500 --count 1500 --max-misses 1
holds "bit flips: curr_items is right" "$(stat curr_items) > 1500 && $(stat curr_items) < 17000"
state
unload_check "bit flips" "$DM"

# --- bad blocks: of some slabs one page can be neither read nor written
# holes PAGE...: a table with an error at each of them
holes() {
	local at=0 page

	for page; do
		echo "$at $((page * 8 - at)) linear $DEV $at"
		echo "$((page * 8)) 8 error"
		at=$((page * 8 + 8))
	done
	echo "$at $((SECTORS - at)) linear $DEV $at"
}
bad_blocks() { dm_table "$NAME" "$(holes 2600 3700 4800 5900)"; }

begin "bad blocks"
check "bad blocks: four" bad_blocks
mixed_start
right_or_miss "bad blocks"
misses=$(field misses)
mixed_end "bad blocks"
holds "bad blocks: what lies there is a miss" "$misses > 0"
holds "bad blocks: and little else" "$misses < 1500"
holds "bad blocks: kfc_device_read_errors counts them" "$(stat kfc_device_read_errors) > 0"
check "bad blocks: 17,000 more objects" obj load --first 6000 --count 17000 --seconds 90
holds "bad blocks: the log went round" "$(stat extstore_page_evictions) > 15"
holds "bad blocks: kfc_device_write_errors counts them" "$(stat kfc_device_write_errors) > 0"
same "bad blocks: the device is not given up" "$(stat kfc_device_state)" ok
check "bad blocks: the newest are right" obj verify --first 21500 --count 1500 --max-misses 1000
holds "bad blocks: most are there" "$(field misses) < 800"
state
check "bad blocks: over" linear
served "bad blocks, over"
unload_check "bad blocks" "$DM"

# --- each read returns a wrong byte
begin "corrupted reads"
check "corrupted reads: dm-flakey" table "flakey $DEV 0 0 600 5 corrupt_bio_byte 224 r 85 0"
mixed_start
right_or_miss "corrupted reads" 2000
before=$(checksum_failures)
mixed_end "corrupted reads"
holds "corrupted reads: checksums failed" "$before > 250"
check "corrupted reads: right again" linear
right_or_miss "corrupted reads, over" 2000
served "corrupted reads, over"
state
unload_check "corrupted reads" "$DM"

# --- the device hangs: no answer at all
begin "hang"
mixed_start
check "hang: suspended" dm suspend --nolockfs --noflush "$NAME"
start=$(date +%s)
check "hang: gets are answered" obj verify --first 600 --count 300 --keys 10 --max-misses 300 \
	--timeout 20 --seconds 30
took=$(($(date +%s) - start))
holds "hang: within their time" "$took < 30 * SLOWER"
holds "hang: by misses" "$(field misses) > 0"
holds "hang: kfc_device_read_timeouts counts them" "$(stat kfc_device_read_timeouts) > 0"
check "hang: over" dm resume "$NAME"
mixed_end "hang"
state
if [ "$(stat kfc_device_state)" = ok ]; then
	check "hang: what was missed then is there" obj verify --first 600 --count 300 --max-misses 5
fi
served "hang, over"
unload_check "hang" "$DM"

# --- the device comes and goes: a second of errors, a second without
begin "errors that pass"
check "errors that pass: dm-flakey" table "flakey $DEV 0 1 1"
mixed_start
right_or_miss "errors that pass" 4000
sleep 2
mixed_end "errors that pass"
holds "errors that pass: kfc_device_read_errors counts them" "$(stat kfc_device_read_errors) > 0"
check "errors that pass: over" linear
served "errors that pass, over"
state
unload_check "errors that pass" "$DM"

# --- nothing but errors, reads and writes
begin "errors"
mixed_start
log_mark
check "errors: dm-error" table "error"
right_or_miss "errors" 2000
check "errors: sets are answered" obj load --first 20000 --count 2000 --max-refused 2000 --seconds 60
sleep 1
mixed_end "errors"
holds "errors: kfc_device_read_errors counts them" "$(stat kfc_device_read_errors) > 0"
same "errors: the device is given up" "$(stat kfc_device_state)" failed
same "errors: one line says so" "$(log_new | grep -c 'failed after')" 1
holds "errors: the others are limited" "$(log_new | grep -c 'I/O error') <= 40"
served "errors, in memory only"
state
check "errors: the device is back" linear
served "errors, the device is back"
unload_check "errors" "$DM"

# --- and it can be used again: what lies there is ours, whatever happened to it
must_load "afterwards: insmod" device="$DM" memory_mb=8 slab_size=1 index_mb=4
check "afterwards: nothing wrong is there" obj verify --count 2000 --max-misses 2000
served "afterwards"
unload_check "afterwards" "$DM"

# --- unloaded while the device gives nothing but errors
begin "unload with errors"
mixed_start
check "unload with errors: dm-error" table "error"
sleep 0.5
kill -KILL "$MIXED"
unload_check "unload with errors" "$DM"

# --- taken away while nobody asks it anything, and then under load
for idle in 1 0; do
	name="removal, idle=$idle"
	check "$name: a device" null_dev $MIB
	must_load "$name: insmod" device=/dev/nullb0 memory_mb=16 slab_size=1 index_mb=4
	check "$name: 2,000 objects" obj load --count 2000 --seconds 60
	same "$name: the device is fine" "$(stat kfc_device_state)" ok
	[ $idle = 1 ] || mixed_start
	log_mark
	check "$name: it goes" null_gone
	check "$name: kfc_device_state says so" wait_for 5 failed
	same "$name: one line, too" "$(log_new | grep -c 'failed after its removal')" 1
	[ $idle = 1 ] || mixed_end "$name"
	right_or_miss "$name" 2000
	served "$name"
	state
	unload_check "$name"
done
finish
