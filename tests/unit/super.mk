# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# It includes module/super.c, sb.c and foreign.c itself: see there.
test_super-src := $(top)/tests/shim/shim.c
test_super-inc := $(wildcard $(top)/module/*.h $(top)/tests/shim/*.h) \
	$(top)/module/super.c $(top)/module/sb.c $(top)/module/foreign.c
test_super-flags := -D__KERNEL_SHIM__ -I$(top)/tests/shim -I$(top)/module \
	-Wno-unused-parameter -Wno-sign-compare
