/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_PRESSURE_H
#define KFC_PRESSURE_H

#include <linux/types.h>

struct kfc_cache;
struct kfc_log;

u64 kfc_pressure_floor(const struct kfc_cache *c);
u64 kfc_pressure_pages(const struct kfc_cache *c);
u64 kfc_pressure_give(struct kfc_cache *c, u64 pages);
void kfc_pressure_note(struct kfc_log *l, u32 slabs);
bool kfc_pressure_ease(struct kfc_cache *c);

#endif /* KFC_PRESSURE_H */
