/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_CLOCK_H
#define KFC_CLOCK_H

struct kfc_cache;

void kfc_clock_init(struct kfc_cache *c);

#endif /* KFC_CLOCK_H */
