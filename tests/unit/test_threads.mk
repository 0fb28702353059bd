# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# With all its files, as none was compiled for threads.
test_threads-src = $(store-src)
test_threads-inc = $(store-inc)
test_threads-flags = $(store-flags) -DKFC_THREADS -D_GNU_SOURCE \
	-fno-sanitize=all -fsanitize=thread -pthread
