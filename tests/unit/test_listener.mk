# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# It includes module/listener.c itself: see there.
test_listener-src := $(top)/tests/shim/shim.c
test_listener-inc := $(wildcard $(top)/module/*.h $(top)/tests/shim/*.h) \
	$(top)/module/listener.c
test_listener-flags := -D__KERNEL_SHIM__ -I$(top)/tests/shim -I$(top)/module \
	-Wno-unused-parameter -Wno-sign-compare
