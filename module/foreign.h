/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_FOREIGN_H
#define KFC_FOREIGN_H

#include <linux/types.h>

/**
 * struct kfc_ends - both ends of a device
 * @head: its first @len bytes
 * @tail: its last @len bytes
 * @len: 1 MiB, or all of a smaller device
 */
struct kfc_ends {
	const u8 *head;
	const u8 *tail;
	size_t len;
};

/* Pages from the first that marks lie in, but for those near the last. */
#define KFC_MARKED_PAGES	17

const char *kfc_foreign_behind(const u8 *head, size_t len, u32 *pages);
const char *kfc_foreign_mark(const void *page, size_t len);
bool kfc_ends_blank(const struct kfc_ends *e);
void kfc_foreign_name(const struct kfc_ends *e, char *buf, size_t size);

#endif /* KFC_FOREIGN_H */
