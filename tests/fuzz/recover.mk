# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
include $(here)../unit/store.mk
fuzz_recover-src := $(store-objs) $(addprefix $(top)/module/,super.c sb.c foreign.c)
fuzz_recover-inc := $(store-inc) $(top)/tests/must.h
fuzz_recover-flags := $(store-flags)
