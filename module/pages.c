// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Pages of device reads, used again by the thread that had them: the allocator
 * zeroes each (init_on_alloc), which a read overwrites at once.
 *
 * So what a page holds before a read is not zeros but what was read earlier. A
 * read that ends well without having written it does not pass for one that did:
 * a page's checksum is seeded with the sequence of its slab's life and its place
 * there, so an older page is good in that very place alone, where its bytes are
 * the ones that were asked for; and here its header, checksum included, is
 * overwritten.
 */
#include <linux/kernel.h>
#include <linux/mm.h>

#include "pages.h"
#include "params.h"
#include "record.h"

/* Where the next page is noted in one that nobody else has. */
static struct page **kfc_pages_next(struct page *page)
{
	static_assert(sizeof(struct page *) <= sizeof(struct kfc_page_hdr));

	return page_address(page);
}

/**
 * kfc_pages_max() - pages that one thread may keep
 * @cfg: the parameters
 *
 * Together the threads keep as many as there may be reads in flight, or one
 * each. Context: any.
 * Return: pages
 */
u32 kfc_pages_max(const struct kfc_config *cfg)
{
	return DIV_ROUND_UP(READ_ONCE(cfg->io_depth), cfg->threads);
}

/**
 * kfc_pages_get() - a page for a read
 * @kept: the thread's own, or NULL
 *
 * Context: the thread; does not sleep.
 * Return: a page with one reference and any content, or NULL
 */
struct page *kfc_pages_get(struct kfc_pages *kept)
{
	struct page *page;

	if (!kept || !kept->nr)
		return alloc_page(GFP_NOWAIT | __GFP_NOWARN);
	page = kept->first;
	kept->first = *kfc_pages_next(page);
	WRITE_ONCE(kept->nr, kept->nr - 1);
	return page;
}

/**
 * kfc_pages_put() - a read does not need a page any more
 * @kept: the thread's own, or NULL
 * @page: the page, with the reference of the read
 * @max: how many may be kept
 *
 * One that a socket still holds is left to it. Context: the thread.
 */
void kfc_pages_put(struct kfc_pages *kept, struct page *page, u32 max)
{
	if (!kept || kept->nr >= max || page_count(page) != 1) {
		put_page(page);
		return;
	}
	*kfc_pages_next(page) = kept->first;
	kept->first = page;
	WRITE_ONCE(kept->nr, kept->nr + 1);
}

/**
 * kfc_pages_trim() - give pages back to the system
 * @kept: the thread's own
 * @max: how many may stay
 *
 * Context: the thread, or after it has ended.
 */
void kfc_pages_trim(struct kfc_pages *kept, u32 max)
{
	while (kept->nr > max)
		put_page(kfc_pages_get(kept));
}
