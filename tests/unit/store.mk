# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
store-c := index record log slab writer reclaim store cache op get modify meta answer \
	body command

test_store-src := $(addprefix $(top)/module/,$(addsuffix .c,$(store-c))) \
	$(wildcard $(top)/libmp/*.c) $(top)/tests/shim/shim.c \
	$(top)/tests/shim/env.c
test_store-inc := $(wildcard $(top)/module/*.h $(top)/libmp/*.h \
	$(top)/tests/shim/*.h)
test_store-flags := -D__KERNEL_SHIM__ -I$(top)/tests/shim -I$(top)/module \
	-Wno-unused-parameter -Wno-sign-compare
