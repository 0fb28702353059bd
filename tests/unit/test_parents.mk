# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
test_parents-src = $(store-objs)
test_parents-inc = $(store-inc)
test_parents-flags = $(store-flags)
