# shellcheck shell=bash disable=SC2034  # AT_EXIT is of lib.sh
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# Faults to order, for the kasan scripts: sourced behind lib.sh.

FAULTS=/sys/kernel/debug

# fault KIND NAME VALUE...
fault() {
	local kind=$1
	shift
	while [ $# -gt 1 ]; do
		echo "$2" > "$FAULTS/$kind/$1" || return 1
		shift 2
	done
}

# Only what is called by a module fails: these addresses are the modules'.
modules_only() { fault "$1" require-start 0xffffffffa0000000 require-end 0xffffffffff000000; }

calm() {
	local kind
	for kind in failslab fail_page_alloc fail_make_request; do
		fault $kind probability 0 times 0 task-filter 0 require-start 0 \
			require-end 0xffffffffffffffff
	done
}

# No kind of allocation is spared, but for pages until min-order says which.
allocations() {
	fault failslab ignore-gfp-wait 0 verbose 0 probability 0
	fault fail_page_alloc ignore-gfp-wait 0 ignore-gfp-highmem 0 min-order 10 verbose 0 \
		probability 0
	modules_only failslab
	modules_only fail_page_alloc
}

[ -d $FAULTS/failslab ] || mount -t debugfs debugfs $FAULTS
[ -d $FAULTS/failslab ] || { not_ok "faults to order" "this kernel has none"; finish; }
AT_EXIT="calm; all_cpus"

# Outside of a soak it is one CPU, for the sake of time: what is looked for here is no race.
THREADS=${KFC_SOAK:+2}
THREADS=${THREADS:-1}
[ -n "${KFC_SOAK:-}" ] || one_cpu
