/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_PREFIX_H
#define KFC_PREFIX_H

#include <linux/types.h>

struct kfc_cache;
struct kfc_emit;
struct kfc_prefixes;
struct mp_req;

int kfc_prefix_init(struct kfc_cache *c);
void kfc_prefix_exit(struct kfc_cache *c);
void kfc_prefix_enable(struct kfc_cache *c, bool on);
bool kfc_prefix_enabled(const struct kfc_cache *c);
void kfc_prefix_clear(struct kfc_cache *c);
void kfc_prefix_count(struct kfc_cache *c, const struct mp_req *req, bool hit);
bool kfc_prefix_print(struct kfc_cache *c, unsigned long *cursor,
		      struct kfc_emit *e);

#endif /* KFC_PREFIX_H */
