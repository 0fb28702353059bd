#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# guest: mem=256 smp=2 disk=512 kernels=6.12-kasan,6.12-kcsan timeout=120
#
# The suites of tests/kunit: they run when the module that has them is loaded, and
# say how it went in the kernel's log.

. "${0%/*}/lib.sh"

AT_EXIT="null_gone; all_cpus"
KFC_KO=$KFC_KUNIT_KO

# passed NAME: that suite, by what it said
passed() {
	local line

	for line in "${KTAP[@]}"; do
		[[ $line != "ok "[0-9]*" $1" ]] || return 0
	done
	return 1
}

one_cpu
check "null_blk: 16 MiB, 10 ms, a queue of 4" null_dev 16 irqmode=2 completion_nsec=10000000 \
	hw_queue_depth=4 submit_queues=1
# page 3000: KFC_TEST_BAD_PAGE
check "null_blk: a bad page" sh -c "echo +24000-24007 > $NULLB/badblocks"
log_mark
all_cpus
must_load "insmod" memory_mb=4 slab_size=1 index_mb=1 threads=2 format=force
one_cpu
log_all | sed 's/^\[[ 0-9.]*\] //' > "$T/ktap"
relay sed -n 's/^    \(ok\|not ok\) [0-9]* \(test_[a-z_]*\).*/\1 \2/p; s/^    # \(test_.*\)/# \1/p' \
	"$T/ktap"
mapfile -t KTAP < "$T/ktap"
for suite in kfc_blockdev kfc_compat kfc_conn kfc_index; do
	check "suite $suite" passed "$suite"
done
[ "$FAILED" = 0 ] || sed -n '/FAILED/,/ok [0-9]/s/^ */# /p' "$T/ktap"
unload_check "suites" "/dev/nullb0"
finish
