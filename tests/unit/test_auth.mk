# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
test_auth-src = $(store-objs)
test_auth-inc = $(store-inc)
test_auth-flags = $(store-flags)
