// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The superblock of one device.
 *
 * Two copies, in the first and in the last 4 KiB. Each update writes both, one
 * after the other with a flush between, so that one of them is whole at any
 * time; which goes first alternates with the generation, but a bad one always
 * goes first. The higher generation counts.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/xxhash.h>

#include "foreign.h"
#include "sb.h"

struct kfc_super_io {
	struct kfc_io io;
	struct completion done;
};

static void kfc_super_io_done(struct kfc_io *io)
{
	complete(&container_of(io, struct kfc_super_io, io)->done);
}

/**
 * kfc_super_rw() - read or write pages and wait for it
 * @d: the device
 * @write: write them
 * @page_no: the first on the device
 * @pages: order-0 pages
 * @nr: how many
 *
 * Context: a process; sleeps on the device. Return: 0 or what the device says
 */
int kfc_super_rw(struct kfc_dev *d, bool write, u64 page_no,
		 struct page **pages, u32 nr)
{
	struct kfc_super_io s = {
		.io.pages = pages,
		.io.nr_pages = nr,
		.io.page_no = page_no,
		.io.done = kfc_super_io_done,
		.io.on_stack = true,
	};

	init_completion(&s.done);
	if (write)
		d->ops->write(d, &s.io);
	else
		d->ops->read(d, &s.io);
	wait_for_completion(&s.done);
	destroy_work_on_stack(&s.io.work);
	return s.io.err;
}

/* Of a whole page that starts with a superblock. */
static u32 kfc_sb_crc(void *page)
{
	struct kfc_super *sb = page;
	__le32 was = sb->crc;
	u32 crc;

	sb->crc = 0;
	crc = xxh32(page, KFC_PAGE, 0);
	sb->crc = was;
	return crc;
}

static bool kfc_sb_sane(const struct kfc_super *sb)
{
	u32 slab_bytes = le32_to_cpu(sb->slab_bytes);
	u64 pages = le64_to_cpu(sb->pages);
	u64 slabs_at = le64_to_cpu(sb->slabs_at);
	u64 slabs = (u64)le32_to_cpu(sb->nr_slabs) *
		    (slab_bytes >> KFC_PAGE_SHIFT);
	u64 index_at = le64_to_cpu(sb->index_at);
	u64 index_pages = le64_to_cpu(sb->index_pages);

	return is_power_of_2(slab_bytes) && slab_bytes >= KFC_SLAB_BYTES_MIN &&
	       slab_bytes <= 64 << 20 && sb->nr_slabs &&
	       pages <= KFC_PAGES_MAX && slabs_at < pages &&
	       slabs < pages - slabs_at && index_at >= 1 &&
	       index_at < slabs_at && index_pages <= slabs_at - index_at &&
	       le64_to_cpu(sb->epoch) <= KFC_EPOCH_MAX &&
	       sb->members <= KFC_DEVICES_MAX && sb->member < sb->members;
}

/* Is nothing but the magic wrong? The page has it afterwards. */
static bool kfc_sb_was(void *page)
{
	struct kfc_super *sb = page;

	memcpy(sb->magic, KFC_SB_MAGIC, sizeof(sb->magic));
	return le32_to_cpu(sb->crc) == kfc_sb_crc(page);
}

static enum kfc_copy kfc_sb_check(void *page, u64 pages)
{
	const struct kfc_super *sb = page;
	bool marked;

	if (!memchr_inv(page, 0, KFC_PAGE))
		return KFC_COPY_NONE;
	marked = kfc_foreign_mark(page, KFC_PAGE);
	if (memcmp(sb->magic, KFC_SB_MAGIC, sizeof(sb->magic)))
		return !marked && kfc_sb_was(page) ? KFC_COPY_DAMAGED :
						     KFC_COPY_FOREIGN;
	/* Magic, version and crc are what they are in every version. */
	if (le32_to_cpu(sb->crc) != kfc_sb_crc(page))
		return marked ? KFC_COPY_FOREIGN : KFC_COPY_DAMAGED;
	if (le32_to_cpu(sb->version) != KFC_SB_VERSION)
		return KFC_COPY_VERSION;
	if (!kfc_sb_sane(sb))
		return KFC_COPY_DAMAGED;
	return le64_to_cpu(sb->pages) == pages ? KFC_COPY_GOOD : KFC_COPY_SIZE;
}

static u64 kfc_sb_place(const struct kfc_dev *d, int copy)
{
	return copy ? d->pages - 1 : 0;
}

/* Whether the last copy counts more than the first. */
static bool kfc_sb_replaces(struct kfc_super_state *st,
			    const struct kfc_super *sb)
{
	if (st->copy[0] != KFC_COPY_GOOD || st->copy[1] != KFC_COPY_GOOD)
		return st->copy[1] > st->copy[0];
	if (memcmp(st->sb.uuid, sb->uuid, sizeof(sb->uuid))) {
		/* Of two caches: neither can be believed. */
		memset(st->copy, KFC_COPY_DAMAGED, sizeof(st->copy));
		return false;
	}
	return le64_to_cpu(sb->generation) > le64_to_cpu(st->sb.generation);
}

/**
 * kfc_sb_read() - read both copies
 * @d: the device
 * @st: with a page; copy is filled in, and sb with the one that counts: the
 *	newest good one, else any that says something
 *
 * Context: a process; sleeps on the device. Return: 0, or what the device says,
 * with a line
 */
int kfc_sb_read(struct kfc_dev *d, struct kfc_super_state *st)
{
	const struct kfc_super *sb = page_address(st->page);
	int i, err;

	for (i = 0; i < 2; i++) {
		err = kfc_super_rw(d, false, kfc_sb_place(d, i), &st->page, 1);
		if (err) {
			pr_err("%s (%s): the superblock cannot be read: error %d\n",
			       d->name, d->what, err);
			return err;
		}
		st->copy[i] = kfc_sb_check(page_address(st->page), d->pages);
		if (!i || kfc_sb_replaces(st, sb))
			st->sb = *sb;
	}
	return 0;
}

static int kfc_sb_flush(struct kfc_dev *d, struct kfc_super_state *st)
{
	int err = d->ops->flush(d);

	if (err)
		st->unflushed = true;
	return err;
}

/**
 * kfc_sb_write() - write both copies
 * @d: the device
 * @st: with what they are to be
 *
 * All that was written before is durable before they are. Where the first of them
 * fails the other stays as it was, and is never at stake before that one is good
 * again: one is whole at any time. Context: a process; sleeps on the device; one
 * caller a device at a time.
 * Return: 0, or what the device says; st->unflushed tells of a flush
 */
int kfc_sb_write(struct kfc_dev *d, struct kfc_super_state *st)
{
	struct kfc_super *sb = page_address(st->page);
	int first = le64_to_cpu(st->sb.generation) & 1;
	int i, err;

	if (st->copy[first] == KFC_COPY_GOOD &&
	    st->copy[!first] != KFC_COPY_GOOD)
		first = !first;
	memset(sb, 0, KFC_PAGE);
	*sb = st->sb;
	sb->crc = cpu_to_le32(kfc_sb_crc(sb));
	err = kfc_sb_flush(d, st);
	for (i = 0; i < 2 && !err; i++) {
		int copy = i ? !first : first;

		st->copy[copy] = KFC_COPY_DAMAGED;
		err = kfc_super_rw(d, true, kfc_sb_place(d, copy),
				   &st->page, 1);
		if (!err)
			err = kfc_sb_flush(d, st);
		if (!err)
			st->copy[copy] = KFC_COPY_GOOD;
	}
	return err;
}

/* Reads @nr pages from @page_no on into @buf. */
static int kfc_sb_read_bytes(struct kfc_dev *d, u64 page_no, u32 nr, u8 *buf)
{
	struct page **pages = kcalloc(nr, sizeof(*pages), GFP_KERNEL);
	int err = pages ? 0 : -ENOMEM;
	u32 i;

	for (i = 0; i < nr && !err; i++) {
		pages[i] = alloc_page(GFP_KERNEL);
		if (!pages[i])
			err = -ENOMEM;
	}
	if (!err)
		err = kfc_super_rw(d, false, page_no, pages, nr);
	for (i = 0; pages && i < nr && pages[i]; i++) {
		if (!err)
			memcpy(buf + i * KFC_PAGE, page_address(pages[i]),
			       KFC_PAGE);
		__free_page(pages[i]);
	}
	kfree(pages);
	return err;
}

static int kfc_sb_zero(struct kfc_dev *d, u64 page_no, u32 nr)
{
	struct page **pages = kcalloc(nr, sizeof(*pages), GFP_KERNEL);
	struct page *zero = alloc_page(GFP_KERNEL | __GFP_ZERO);
	int err = -ENOMEM;
	u32 i;

	if (pages && zero) {
		for (i = 0; i < nr; i++)
			pages[i] = zero;
		err = kfc_super_rw(d, true, page_no, pages, nr);
	}
	if (zero)
		__free_page(zero);
	kfree(pages);
	return err;
}

/**
 * kfc_sb_wipe() - nothing is to say any more that a device is somebody else's
 * @d: the device
 * @st: wipe: its first and last MiB go; else the pages that are marked
 *
 * As mkfs does it: or others would go on taking it for what it was. Context: a
 * process; sleeps on the device. Return: 0, -ENOMEM, or what the device says
 */
int kfc_sb_wipe(struct kfc_dev *d, const struct kfc_super_state *st)
{
	u32 nr = min_t(u64, d->pages, KFC_MIB_PAGES), i;
	int err = 0;

	if (st->wipe)
		return kfc_sb_zero(d, 0, nr) ?:
		       kfc_sb_zero(d, d->pages - nr, nr);
	for (i = 0; i < KFC_MARKED_PAGES && !err; i++)
		if (st->marked & BIT(i))
			err = kfc_sb_zero(d, i, 1);
	return err;
}

/**
 * kfc_sb_behind() - does a device of ours have somebody else's marks?
 * @d: the device
 * @st: with a good superblock; marked is filled in
 * @force: take it all the same
 *
 * md 1.2 and bcache leave the first page alone. Where the pages cannot be read
 * nothing is said. Context: a process; sleeps on the device.
 * Return: 0, -ENOMEM, or -EMEDIUMTYPE with a line
 */
int kfc_sb_behind(struct kfc_dev *d, struct kfc_super_state *st, bool force)
{
	u32 nr = min_t(u64, d->pages, KFC_MARKED_PAGES);
	u8 *buf = kvmalloc(nr * KFC_PAGE, GFP_KERNEL);
	const char *mark = NULL;

	if (!buf)
		return -ENOMEM;
	if (!kfc_sb_read_bytes(d, 0, nr, buf))
		mark = kfc_foreign_behind(buf, nr * KFC_PAGE, &st->marked);
	kvfree(buf);
	if (!mark || force)
		return 0;
	pr_err("%s (%s): was a kfatcache device, but has the mark of %s; nothing was written, format=force would take it all the same\n",
	       d->name, d->what, mark);
	return -EMEDIUMTYPE;
}

/* Return: 0 for a blank device, -EMEDIUMTYPE with a line for any other. */
static int kfc_sb_blank(struct kfc_dev *d)
{
	u32 nr = min_t(u64, d->pages, KFC_MIB_PAGES);
	u8 *buf = kvmalloc(2 * nr * KFC_PAGE, GFP_KERNEL);
	struct kfc_ends e = {
		.head = buf,
		.tail = buf + nr * KFC_PAGE,
		.len = nr * KFC_PAGE,
	};
	char seen[128];
	int err;

	if (!buf)
		return -ENOMEM;
	err = kfc_sb_read_bytes(d, 0, nr, buf);
	if (!err)
		err = kfc_sb_read_bytes(d, d->pages - nr, nr,
					buf + nr * KFC_PAGE);
	if (err) {
		pr_err("%s (%s): cannot be read: error %d\n", d->name, d->what,
		       err);
	} else if (!kfc_ends_blank(&e)) {
		kfc_foreign_name(&e, seen, sizeof(seen));
		pr_err("%s (%s): neither blank nor ours: %s; nothing was written, format=force would destroy it\n",
		       d->name, d->what, seen);
		err = -EMEDIUMTYPE;
	}
	kvfree(buf);
	return err;
}

/**
 * kfc_sb_refuse() - no good superblock, or none that is enough, and nobody said
 * force
 * @d: the device
 * @st: from kfc_sb_read(), not good or kfc_sb_overwritten()
 *
 * Context: a process; sleeps on the device.
 * Return: 0 for a blank device; else -EMEDIUMTYPE, with a line that says what
 * is there, -ENOMEM, or what the device says
 */
int kfc_sb_refuse(struct kfc_dev *d, const struct kfc_super_state *st)
{
	struct page *page = st->page;
	const char *mark = NULL;

	switch (kfc_sb_is(st)) {
	case KFC_COPY_NONE:
	case KFC_COPY_FOREIGN:
		return kfc_sb_blank(d);
	case KFC_COPY_GOOD:
		if (st->copy[0] == KFC_COPY_FOREIGN &&
		    !kfc_super_rw(d, false, 0, &page, 1))
			mark = kfc_foreign_mark(page_address(page), KFC_PAGE);
		pr_err("%s (%s): was a kfatcache device, but one of its two superblocks is overwritten by somebody else%s%s; nothing was written, format=force would take it all the same\n",
		       d->name, d->what, mark ? ": " : "", mark ?: "");
		break;
	case KFC_COPY_VERSION:
		pr_err("%s (%s): a kfatcache device of format version %u, this module knows %u; nothing was written, format=force would empty it\n",
		       d->name, d->what, le32_to_cpu(st->sb.version),
		       KFC_SB_VERSION);
		break;
	case KFC_COPY_SIZE:
		pr_err("%s (%s): a kfatcache device that had %llu MiB when it was formatted; nothing was written, format=force would empty it\n",
		       d->name, d->what,
		       le64_to_cpu(st->sb.pages) >> KFC_MIB_SHIFT);
		break;
	default:
		pr_err("%s (%s): a kfatcache device whose superblocks are damaged; nothing was written, format=force would empty it\n",
		       d->name, d->what);
	}
	return -EMEDIUMTYPE;
}
