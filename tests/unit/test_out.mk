# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# It includes module/out.c itself: see there.
test_out-src := $(top)/tests/shim/shim.c
test_out-inc := $(wildcard $(top)/module/*.h $(top)/tests/shim/*.h) \
	$(top)/module/out.c
test_out-flags := -D__KERNEL_SHIM__ -I$(top)/tests/shim -I$(top)/module \
	-Wno-unused-parameter -Wno-sign-compare
