# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
fuzz_mp_answers-src := $(wildcard $(top)/libmp/*.c)
fuzz_mp_answers-inc := $(wildcard $(top)/libmp/*.h) $(top)/tests/must.h
