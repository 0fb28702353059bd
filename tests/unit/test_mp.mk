# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
test_mp_meta-src := $(test_mp-src)
test_mp_meta-inc := $(test_mp-inc) $(top)/tests/fuzz/mp_talk.h
test_mp_binary-src := $(test_mp-src)
test_mp_binary-inc := $(test_mp-inc) $(top)/tests/fuzz/mp_talk.h
