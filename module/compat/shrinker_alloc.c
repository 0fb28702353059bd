// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <linux/shrinker.h>

struct shrinker *kfc_probe(void);
struct shrinker *kfc_probe(void)
{
	return shrinker_alloc(0, "kfc");
}
