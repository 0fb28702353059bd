/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What has to be so: for fuzzers, and for what they share with unit tests. */
#ifndef MUST_H
#define MUST_H

#include <stdio.h>
#include <stdlib.h>

#define MUST(cond) do { \
	if (!(cond)) { \
		fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, \
			#cond); \
		abort(); \
	} \
} while (0)

#endif /* MUST_H */
