# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
store-mk := $(lastword $(MAKEFILE_LIST))
store-c := index grow record log slab writer reclaim carry member memtier promote \
	expire restart save recover store cache op get modify meta answer body \
	command statcmd prefix walk dump auth pages pressure stream read

store-src := $(addprefix $(top)/module/,$(addsuffix .c,$(store-c))) \
	$(wildcard $(top)/libmp/*.c) $(top)/tests/shim/shim.c \
	$(top)/tests/shim/env.c
store-inc := $(wildcard $(top)/module/*.h $(top)/libmp/*.h \
	$(top)/tests/shim/*.h)
store-flags := -D__KERNEL_SHIM__ -I$(top)/tests/shim -I$(top)/module \
	-Wno-unused-parameter -Wno-sign-compare
# Compiled once for all tests.
store-objs := $(patsubst $(top)/%.c,$(O)/store/%.o,$(store-src))

$(store-objs): $(O)/store/%.o: $(top)/%.c $(store-inc) $(here)Makefile \
		$(store-mk)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(store-flags) -c -o $@ $<
# That was not what who includes this wants to be made first.
.DEFAULT_GOAL :=

test_store-src := $(store-objs)
test_store-inc := $(store-inc)
test_store-flags := $(store-flags)
test_command-src := $(store-objs)
test_command-inc := $(store-inc)
test_command-flags := $(store-flags)
test_restart-src := $(store-objs) \
	$(addprefix $(top)/module/,super.c sb.c foreign.c)
test_restart-inc := $(store-inc)
test_restart-flags := $(store-flags)
test_reuse-src := $(test_restart-src)
test_reuse-inc := $(store-inc)
test_reuse-flags := $(store-flags) -Wl,--wrap=kfc_read_unpin
test_multi-src := $(test_restart-src)
test_multi-inc := $(store-inc)
test_multi-flags := $(store-flags)
test_dump-src := $(store-objs)
test_dump-inc := $(store-inc)
test_dump-flags := $(store-flags)
test_pages-src := $(store-objs)
test_pages-inc := $(store-inc)
test_pages-flags := $(store-flags)
test_stream-src := $(store-objs)
test_stream-inc := $(store-inc)
test_stream-flags := $(store-flags)
test_pressure-src := $(store-objs)
test_pressure-inc := $(store-inc)
test_pressure-flags := $(store-flags)
test_expire-src := $(store-objs)
test_expire-inc := $(store-inc)
test_expire-flags := $(store-flags)
test_figures-src := $(store-objs)
test_figures-inc := $(store-inc)
test_figures-flags := $(store-flags)
test_sizing-src := $(addprefix $(top)/module/,record.c index.c grow.c) \
	$(top)/tests/shim/shim.c
test_sizing-inc := $(store-inc) $(top)/README.md
test_sizing-flags := $(store-flags) -DREADME='"$(top)/README.md"'
test_index-src := $(addprefix $(top)/module/,index.c grow.c) \
	$(top)/tests/shim/shim.c
test_index-inc := $(store-inc)
# 10 million entries; the sanitizers have the index in the others.
test_index-flags := $(store-flags) -O2 -fno-sanitize=all
