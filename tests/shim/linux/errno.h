/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* errno.h of the C library comes here for the numbers. */
#include <asm/errno.h>
