#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# guest: mem=1024 smp=2 disk=2048 kernels=6.12 timeout=120
# shellcheck disable=SC2317  # functions are called by check
#
# Connections that come and go as fast as they can: each of them is taken, given
# to its worker, and freed, whenever its client goes. What is used too late shows
# on a kernel that watches memory: tests/run e2e 52-storm 6.12-poison.

. "$(dirname "$0")/lib.sh"

SECONDS_LONG=8
[ -z "${KFC_SOAK:-}" ] || SECONDS_LONG=60
gone() { [ "$(stat curr_connections)" = 0 ]; }

must_load "insmod" memory_mb=16 threads=2
case $KERNEL in
*-poison)
	same "freed connections are watched" "$(cat /sys/kernel/slab/kfc_conn/poison)" 1
	same "so is KFENCE's sample" "$(cat /sys/module/kfence/parameters/sample_interval)" 5
	;;
esac
check "clients that come and go" py -m storm "$HOST" "$PORT" $SECONDS_LONG
note "$(tail -n 1 "$T/out")"
conns=$(field conns)
holds "enough of them" "$conns > 100"
check "none is left" wait_for 20 gone
same "each was counted" "$(stat total_connections)" "$conns"
check "others are served" objects load --count 200
check "and right" objects verify --count 200
unload_check "storm"
finish
