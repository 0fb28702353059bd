#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# guest: mem=512 smp=1 kernels=6.12 timeout=300
# shellcheck disable=SC2317  # functions are called by check
#
# More memory asked for than there is: refused, and nobody is killed for it.

. "$(dirname "$0")/lib.sh"

# refused NAME PARAM...
refused() {
	local name=$1
	shift
	log_mark
	if kfc_load "$@" 2> /dev/null; then
		not_ok "$name" "it was loaded"
		kfc_unload
		return
	fi
	if grep -q 'Cannot allocate memory' "$T/insmod"; then
		ok "$name: ENOMEM"
	else
		not_ok "$name: ENOMEM" "$(cat "$T/insmod")"
	fi
	log_new | sed 's/^/# /'
	same "$name: one line says why" "$(log_new | wc -l)" 1
	holds "$name: with a number" "$(log_new | grep -c '[0-9]') == 1"
	same "$name: no one was killed" \
		"$(log_all | grep -ciE 'out of memory|oom-kill|page allocation failure')" 0
	check "$name: nothing left" nothing_left
}

sleep 300 &
victim=$!
BACKGROUND="$BACKGROUND $victim"
# sets after
settled() {
	after=$(uncached)
	[ $((before - after)) -lt 8192 ]
}
before=$(uncached)
refused "memory_mb=4096" memory_mb=4096
refused "index_mb too large" memory_mb=16 index_mb=400
refused "just what is there" memory_mb=$(($(available) / 1024))
check "the others go on" kill -0 "$victim"
wait_for 30 settled || true
note "$before kB to be had before, $after kB after"
holds "memory is back" "$before - $after < 8192"

must_load "a sane load: insmod" memory_mb=32
check "a sane load: 5,000 objects" objects load --count 5000
check "a sane load: and back" objects verify --count 5000 --max-misses "$(gave_way)"
unload_check "a sane load"
finish
