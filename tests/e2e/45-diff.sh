#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck disable=SC2317  # functions are called by check
# guest: mem=1024 smp=1 disk=2048 kernels=6.12 timeout=300
#
# The same bytes to the module and to Debian's memcached, the same answers and the same
# counters: a fixed
# set of the sequences that tests/diff makes, on a device and with so little memory
# that much of it comes from there. A long run is by hand: tests/diff/long.

. "$(dirname "$0")/lib.sh"

MEMCACHED=$KFC_CACHE/unpacked/memcached/usr/bin/memcached

differ() {
	limit 200 /usr/bin/python3 -S "$E2E/../diff/diff.py" --memcached "$MEMCACHED" \
		--timeout $((20 * SLOWER)) "$@"
}
same_answers() { differ --a "$HOST:$PORT" --protocol "$1" --count "$2" --seed 1 --show 3; }

same_counters() {
	limit 200 /usr/bin/python3 -S "$E2E/../diff/counters.py" --a "$HOST:$PORT" \
		--memcached "$MEMCACHED"
}

readme_tells() {
	local line

	/usr/bin/python3 -S "$E2E/../diff/diff.py" --known > "$T/known" && [ -s "$T/known" ] || return 1
	while IFS= read -r line; do
		grep -Fxq -- "$line" "$E2E/../../README.md" || { echo "not there: $line"; return 1; }
	done < "$T/known"
}

check "README tells of every deliberate difference" readme_tells
check "memcached 1.6.18 is there" sh -c "$MEMCACHED --version | grep -F 1.6.18"
check "differences that are planted are found" differ --same --self-test --count 120
note "$(tail -n 1 "$T/out")"

wipe "$DEV"
must_load "insmod" device="$DEV" memory_mb=16
for p in text:200 meta:200 binary:200 mixed:40; do
	check "${p%:*}: as memcached" same_answers "${p%:*}" "${p#*:}"
	grep -E '^# |differ$' "$T/out" | sed 's/^#* */# /'
done
check "counters: as memcached" same_counters
holds "no checksum failed" "$(sum_of kfc_checksum_failures_) == 0"
unload_check "afterwards" "$DEV"
wipe "$DEV"
finish
