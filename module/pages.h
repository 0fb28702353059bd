/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_PAGES_H
#define KFC_PAGES_H

#include <linux/types.h>

struct kfc_config;
struct page;

/**
 * struct kfc_pages - pages that one thread keeps for its next device reads
 * @first: the one that was kept last; the others follow from page to page
 * @nr: how many
 *
 * All fields belong to the thread; anybody may READ_ONCE() @nr.
 */
struct kfc_pages {
	struct page *first;
	u32 nr;
};

u32 kfc_pages_max(const struct kfc_config *cfg);
struct page *kfc_pages_get(struct kfc_pages *kept);
void kfc_pages_put(struct kfc_pages *kept, struct page *page, u32 max);
void kfc_pages_trim(struct kfc_pages *kept, u32 max);

#endif /* KFC_PAGES_H */
