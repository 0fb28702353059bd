# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
test_mp_auth-src := $(mp-objs)
test_mp_auth-inc := $(wildcard $(top)/libmp/*.h) $(top)/tests/mp_feed.h $(top)/tests/must.h \
	$(top)/tests/fuzz/mp_talk.h
