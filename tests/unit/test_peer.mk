# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
test_peer-src := $(top)/module/peer.c $(top)/tests/shim/shim.c
test_peer-inc := $(wildcard $(top)/module/*.h $(top)/tests/shim/*.h)
test_peer-flags := -D__KERNEL_SHIM__ -I$(top)/tests/shim -I$(top)/module \
	-Wno-unused-parameter -Wno-sign-compare
