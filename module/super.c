// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The superblock: whose device this is, and where things lie on it.
 *
 * Two copies, in the first and in the last 4 KiB. Each update writes both, one
 * after the other with a flush between, so that one of them is whole at any
 * time; which goes first alternates with the generation, but a bad one always
 * goes first. The higher generation counts.
 *
 * Nothing is written before it is decided that the device is ours to write.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bits.h>
#include <linux/completion.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uuid.h>
#include <linux/xxhash.h>

#include "area.h"
#include "foreign.h"
#include "kfc.h"
#include "super.h"

/* Page numbers have to fit an index slot. */
#define KFC_PAGES_MAX	BIT_ULL(KFC_SLOT_PAGE_BITS)
/* One less, so that an order number never wraps. */
#define KFC_EPOCH_MAX	((1ULL << (64 - KFC_EPOCH_SHIFT)) - 2)
/* The index is a multiple of the smallest table. */
#define KFC_UNIT_BYTES	(64ULL << KFC_INDEX_GROWTH)
/* Pages of a MiB. */
#define KFC_MIB_PAGES	(1U << (20 - KFC_PAGE_SHIFT))
#define KFC_MIB_SHIFT	(20 - KFC_PAGE_SHIFT)

/* What a superblock copy came to. */
enum kfc_copy {
	KFC_COPY_NONE,		/* not ours */
	KFC_COPY_DAMAGED,
	KFC_COPY_SIZE,		/* formatted when the device had another size */
	KFC_COPY_GOOD,
	KFC_COPY_VERSION,	/* of another version, so no other is believed */
};

/**
 * struct kfc_super_state - what is known of the superblock
 * @sb: the present one
 * @copy: enum kfc_copy of the first and of the last one
 * @did: what was done to the device, in a word, NULL for nothing
 * @unflushed: a flush has failed
 * @page: for reading and writing them
 */
struct kfc_super_state {
	struct kfc_super sb;
	const char *did;
	bool unflushed;
	u8 copy[2];
	struct page *page;
};

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
static u32 kfc_super_crc(void *page)
{
	struct kfc_super *sb = page;
	__le32 was = sb->crc;
	u32 crc;

	sb->crc = 0;
	crc = xxh32(page, KFC_PAGE, 0);
	sb->crc = was;
	return crc;
}

static bool kfc_super_sane(const struct kfc_super *sb)
{
	u32 slab_bytes = le32_to_cpu(sb->slab_bytes);
	u64 pages = le64_to_cpu(sb->pages);
	u64 slabs_at = le64_to_cpu(sb->slabs_at);
	u64 slabs = (u64)le32_to_cpu(sb->nr_slabs) *
		    (slab_bytes >> KFC_PAGE_SHIFT);
	u64 index_at = le64_to_cpu(sb->index_at);
	u64 index_pages = le64_to_cpu(sb->index_pages);

	return is_power_of_2(slab_bytes) && slab_bytes >= 1 << 20 &&
	       slab_bytes <= 64 << 20 && sb->nr_slabs &&
	       pages <= KFC_PAGES_MAX && slabs_at < pages &&
	       slabs < pages - slabs_at && index_at >= 1 &&
	       index_at < slabs_at && index_pages <= slabs_at - index_at &&
	       le64_to_cpu(sb->epoch) <= KFC_EPOCH_MAX;
}

static enum kfc_copy kfc_super_check(void *page, u64 pages)
{
	const struct kfc_super *sb = page;

	if (memcmp(sb->magic, KFC_SB_MAGIC, sizeof(sb->magic)))
		return KFC_COPY_NONE;
	/* Magic, version and crc are what they are in every version. */
	if (le32_to_cpu(sb->crc) != kfc_super_crc(page))
		return KFC_COPY_DAMAGED;
	if (le32_to_cpu(sb->version) != KFC_SB_VERSION)
		return KFC_COPY_VERSION;
	if (!kfc_super_sane(sb))
		return KFC_COPY_DAMAGED;
	return le64_to_cpu(sb->pages) == pages ? KFC_COPY_GOOD : KFC_COPY_SIZE;
}

static u64 kfc_super_place(const struct kfc_dev *d, int copy)
{
	return copy ? d->pages - 1 : 0;
}

/* Whether the last copy counts more than the first. */
static bool kfc_super_replaces(struct kfc_super_state *st,
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

/*
 * Reads both copies into st->copy and the one that counts into st->sb: the
 * newest good one, else any that says something.
 */
static int kfc_super_read(struct kfc_dev *d, struct kfc_super_state *st)
{
	const struct kfc_super *sb = page_address(st->page);
	int i, err;

	for (i = 0; i < 2; i++) {
		err = kfc_super_rw(d, false, kfc_super_place(d, i), &st->page,
				   1);
		if (err) {
			pr_err("%s (%s): the superblock cannot be read: error %d\n",
			       d->name, d->what, err);
			return err;
		}
		st->copy[i] = kfc_super_check(page_address(st->page), d->pages);
		if (!i || kfc_super_replaces(st, sb))
			st->sb = *sb;
	}
	return 0;
}

/* What the device is, by both copies. */
static enum kfc_copy kfc_super_is(const struct kfc_super_state *st)
{
	return max(st->copy[0], st->copy[1]);
}

static int kfc_super_flush(struct kfc_dev *d, struct kfc_super_state *st)
{
	int err = d->ops->flush(d);

	if (err)
		st->unflushed = true;
	return err;
}

static int kfc_super_write(struct kfc_dev *d, struct kfc_super_state *st)
{
	struct kfc_super *sb = page_address(st->page);
	int first = le64_to_cpu(st->sb.generation) & 1;
	int i, err;

	if (st->copy[first] == KFC_COPY_GOOD &&
	    st->copy[!first] != KFC_COPY_GOOD)
		first = !first;
	memset(sb, 0, KFC_PAGE);
	*sb = st->sb;
	sb->crc = cpu_to_le32(kfc_super_crc(sb));
	err = kfc_super_flush(d, st);
	for (i = 0; i < 2 && !err; i++) {
		int copy = i ? !first : first;

		st->copy[copy] = KFC_COPY_DAMAGED;
		err = kfc_super_rw(d, true, kfc_super_place(d, copy),
				   &st->page, 1);
		if (!err)
			err = kfc_super_flush(d, st);
		if (!err)
			st->copy[copy] = KFC_COPY_GOOD;
	}
	return err;
}

/* Lines at level 0 of an index of @index_bytes; see kfc_index_size(). */
static u64 kfc_super_lines(u64 index_bytes)
{
	return max(div_u64(index_bytes, KFC_UNIT_BYTES), 1ULL);
}

/* Pages of the index area of a device of @pages pages. */
static u64 kfc_super_area(u64 index_bytes, u64 pages, u32 slab_bytes)
{
	u64 slabs = div_u64(pages, slab_bytes >> KFC_PAGE_SHIFT);

	return kfc_area_pages(kfc_super_lines(index_bytes), slabs);
}

/**
 * kfc_super_index_auto() - size of the index where none was asked for
 * @device_bytes: size of the device
 *
 * Context: any.
 * Return: 2 % of the device, but 1 MiB at least.
 */
u64 kfc_super_index_auto(u64 device_bytes)
{
	return max(div_u64(device_bytes, 50), 1ULL << 20);
}

/* The least device, in MiB, that holds what was asked for. */
static u64 kfc_super_least(const struct kfc_config *cfg)
{
	u64 slab_pages = cfg->slab_bytes >> KFC_PAGE_SHIFT;
	u64 pages = 0, need = 1;

	/* What is needed grows with the size, but far slower. */
	while (need > pages) {
		u64 index_bytes = cfg->index_bytes;

		pages = round_up(need, (u64)KFC_MIB_PAGES);
		if (cfg->index_auto)
			index_bytes = kfc_super_index_auto(pages <<
							   KFC_PAGE_SHIFT);
		need = round_up(1 + kfc_super_area(index_bytes, pages,
						   cfg->slab_bytes),
				(u64)KFC_MIB_PAGES) +
		       KFC_SLABS_MIN * slab_pages + 1;
	}
	return pages >> KFC_MIB_SHIFT;
}

/* Where things are to lie. Return: 0, -ENOSPC or -EFBIG, with a line. */
static int kfc_super_plan(const struct kfc_config *cfg,
			  const struct kfc_dev *d, struct kfc_geometry *geo)
{
	u64 slab_pages = cfg->slab_bytes >> KFC_PAGE_SHIFT;
	u64 area = kfc_super_area(cfg->index_bytes, d->pages, cfg->slab_bytes);
	u64 at = round_up(1 + area, (u64)KFC_MIB_PAGES);
	u64 aligned = round_up(1 + area, slab_pages);
	u64 end = d->pages - 1;
	u64 nr = at < end ? div64_u64(end - at, slab_pages) : 0;

	if (d->pages > KFC_PAGES_MAX) {
		pr_err("%s (%s): too large; at most %llu MiB are supported, in a partition for example\n",
		       d->name, d->what, KFC_PAGES_MAX >> KFC_MIB_SHIFT);
		return -EFBIG;
	}
	if (d->pages < 3 || nr < KFC_SLABS_MIN) {
		pr_err("%s (%s): too small; with slab_size=%u and an index of %llu MiB it takes at least %llu MiB\n",
		       d->name, d->what, cfg->slab_bytes >> 20,
		       cfg->index_bytes >> 20, kfc_super_least(cfg));
		return -ENOSPC;
	}
	/* Whole slabs that the device's own blocks can follow, if it is free. */
	if (aligned < end && div64_u64(end - aligned, slab_pages) == nr)
		at = aligned;
	geo->slab_bytes = cfg->slab_bytes;
	geo->nr_slabs = nr;
	geo->slabs_at = at;
	geo->index_at = 1;
	geo->index_pages = area;
	return 0;
}

/* Reads @nr pages from @page_no on into @buf. */
static int kfc_super_read_bytes(struct kfc_dev *d, u64 page_no, u32 nr, u8 *buf)
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

/* Return: 0 for a blank device, -EMEDIUMTYPE with a line for any other. */
static int kfc_super_blank(struct kfc_dev *d)
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
	err = kfc_super_read_bytes(d, 0, nr, buf);
	if (!err)
		err = kfc_super_read_bytes(d, d->pages - nr, nr,
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

/* No good superblock, and nobody said force. Return: 0 if it is blank. */
static int kfc_super_refuse(struct kfc_dev *d, const struct kfc_super_state *st)
{
	switch (kfc_super_is(st)) {
	case KFC_COPY_NONE:
		return kfc_super_blank(d);
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

static int kfc_super_format(struct kfc_cache *c, struct kfc_super_state *st)
{
	struct kfc_super *sb = &st->sb;
	bool was_good = kfc_super_is(st) == KFC_COPY_GOOD;
	struct kfc_geometry geo;
	int err = kfc_super_plan(&c->cfg, c->dev, &geo);

	if (err)
		return err;
	if (!was_good) {
		memset(sb, 0, sizeof(*sb));
		generate_random_uuid(sb->uuid);
	}
	/* A device that was ours keeps its uuid, generation and epoch. */
	memcpy(sb->magic, KFC_SB_MAGIC, sizeof(sb->magic));
	sb->version = cpu_to_le32(KFC_SB_VERSION);
	get_random_bytes(sb->hash_key, sizeof(sb->hash_key));
	sb->pages = cpu_to_le64(c->dev->pages);
	sb->slab_bytes = cpu_to_le32(geo.slab_bytes);
	sb->nr_slabs = cpu_to_le32(geo.nr_slabs);
	sb->slabs_at = cpu_to_le64(geo.slabs_at);
	sb->index_at = cpu_to_le64(geo.index_at);
	sb->index_pages = cpu_to_le64(geo.index_pages);
	sb->unloaded_at = 0;
	st->did = was_good ? "emptied" : "formatted";
	return 0;
}

static void kfc_super_uuid_text(const u8 *uuid, char *buf, size_t size)
{
	int i, n = 0;

	for (i = 0; i < 16; i++)
		n += snprintf(buf + n, size - n, "%s%02x",
			      i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
			      uuid[i]);
}

static int kfc_super_check_uuid(const struct kfc_cache *c,
				const struct kfc_super_state *st)
{
	char has[40], asked[40];

	if (!c->cfg.has_uuid)
		return 0;
	kfc_super_uuid_text(c->cfg.uuid.b, asked, sizeof(asked));
	if (kfc_super_is(st) != KFC_COPY_GOOD) {
		pr_err("%s (%s): uuid=%s is not here: no good superblock of ours; nothing was written\n",
		       c->dev->name, c->dev->what, asked);
		return -ENODEV;
	}
	if (!memcmp(st->sb.uuid, c->cfg.uuid.b, sizeof(st->sb.uuid)))
		return 0;
	kfc_super_uuid_text(st->sb.uuid, has, sizeof(has));
	pr_err("%s (%s): uuid=%s is not here: this device has %s; nothing was written\n",
	       c->dev->name, c->dev->what, asked, has);
	return -ENODEV;
}

/* May the device be used, and as what? Fills st->sb; writes nothing. */
static int kfc_super_decide(struct kfc_cache *c, struct kfc_super_state *st)
{
	int err = kfc_super_check_uuid(c, st);

	if (err)
		return err;
	if (kfc_super_is(st) != KFC_COPY_GOOD) {
		if (c->cfg.format != KFC_FORMAT_FORCE)
			err = kfc_super_refuse(c->dev, st);
		return err ?: kfc_super_format(c, st);
	}
	if (c->cfg.format == KFC_FORMAT_NEW)
		return kfc_super_format(c, st);
	if (le32_to_cpu(st->sb.slab_bytes) != c->cfg.slab_bytes) {
		pr_err("%s (%s): formatted with slab_size=%u, not %u; say so, or empty it with format=new\n",
		       c->dev->name, c->dev->what,
		       le32_to_cpu(st->sb.slab_bytes) >> 20,
		       c->cfg.slab_bytes >> 20);
		return -EINVAL;
	}
	if (le64_to_cpu(st->sb.epoch) >= KFC_EPOCH_MAX) {
		pr_err("%s (%s): loaded %llu times, no more are possible; blank it and load again\n",
		       c->dev->name, c->dev->what, KFC_EPOCH_MAX);
		return -EOVERFLOW;
	}
	return 0;
}

/* Bytes of the largest index that the area holds. */
static u64 kfc_super_fits(const struct kfc_super *sb)
{
	return kfc_area_fits(le64_to_cpu(sb->index_pages),
			     le32_to_cpu(sb->nr_slabs)) * KFC_UNIT_BYTES;
}

/* How is this load to begin? */
static enum kfc_found kfc_super_found(const struct kfc_cache *c,
				      const struct kfc_super_state *st)
{
	const struct kfc_super *sb = &st->sb;
	u64 saved = le32_to_cpu(sb->saved_lines0) * KFC_UNIT_BYTES;

	if (st->did)
		return KFC_FOUND_NOTHING;
	if ((sb->flags & cpu_to_le32(KFC_SB_CLEAN)) && saved &&
	    saved <= kfc_super_fits(sb) &&
	    le32_to_cpu(sb->saved_level) <= KFC_INDEX_GROWTH)
		return KFC_FOUND_CLEAN;
	return c->cfg.recover_crash ? KFC_FOUND_CRASHED : KFC_FOUND_NOTHING;
}

/* What was saved has the size of the index that it was saved from. */
static void kfc_super_keep_index(struct kfc_cache *c)
{
	u64 saved = le32_to_cpu(c->super->sb.saved_lines0) * KFC_UNIT_BYTES;
	u64 asked = kfc_super_lines(c->cfg.index_bytes) * KFC_UNIT_BYTES;

	if (saved != asked && !c->cfg.index_auto)
		pr_notice("%s: index of %llu MiB as it was saved, not %llu; format=new empties the device and takes another size\n",
			  c->dev->name, saved >> 20,
			  c->cfg.index_bytes >> 20);
	c->cfg.index_bytes = saved;
}

/* A later load may ask for a larger index than its area on the device holds. */
static void kfc_super_fit_index(struct kfc_cache *c)
{
	u64 fits = kfc_super_fits(&c->super->sb);

	if (kfc_super_lines(c->cfg.index_bytes) * KFC_UNIT_BYTES <= fits)
		return;
	pr_notice("%s: index of %llu MiB, not %llu: no more fits the area kept for it when the device was formatted\n",
		  c->dev->name, fits >> 20, c->cfg.index_bytes >> 20);
	c->cfg.index_bytes = fits;
}

/* No object may live longer because the clock was set back. */
static void kfc_super_clock(struct kfc_cache *c, u64 unloaded_at)
{
	u64 now = kfc_now(c);

	if (now >= unloaded_at)
		return;
	pr_notice("%s: the clock is %llu s behind the last unload; time goes on from there\n",
		  c->dev->name, unloaded_at - now);
	c->wall_base += unloaded_at - now;
	c->loaded_at = kfc_now(c);
}

static void kfc_super_take(struct kfc_cache *c, struct kfc_geometry *geo)
{
	const struct kfc_super *sb = &c->super->sb;
	__le64 key[2];

	memcpy(key, sb->hash_key, sizeof(key));
	c->hkey.key[0] = le64_to_cpu(key[0]);
	c->hkey.key[1] = le64_to_cpu(key[1]);
	memcpy(c->uuid.b, sb->uuid, sizeof(sb->uuid));
	c->valid_from = le64_to_cpu(sb->valid_from);
	c->kept_from = c->valid_from;
	atomic64_set(&c->order, le64_to_cpu(sb->epoch) << KFC_EPOCH_SHIFT);
	geo->slab_bytes = le32_to_cpu(sb->slab_bytes);
	geo->nr_slabs = le32_to_cpu(sb->nr_slabs);
	geo->slabs_at = le64_to_cpu(sb->slabs_at);
	geo->index_at = le64_to_cpu(sb->index_at);
	geo->index_pages = le64_to_cpu(sb->index_pages);
	if (c->saved.found == KFC_FOUND_CLEAN)
		kfc_super_keep_index(c);
	else
		kfc_super_fit_index(c);
	if (!c->super->did)
		kfc_super_clock(c, le64_to_cpu(sb->unloaded_at));
}

/**
 * kfc_super_load() - find out what a device is, format it if it may be, and
 * begin a new load epoch on it
 * @c: cache with its parameters checked, its clock set and its device open;
 *	gets hkey, uuid, order, valid_from, saved and super, and another
 *	cfg.index_bytes where the device has less room for it or holds an index
 *	of another size; its clock is set on where it is behind
 * @geo: gets what lies where
 *
 * From now on the device is not clean. Where the load starts empty, valid_from
 * is raised to the new epoch, on the device too, before anything else is
 * written. What is wrong is said in one line of the log.
 *
 * Context: a process; sleeps on the device.
 * Return: 0; -EMEDIUMTYPE for a device that is neither blank nor usable,
 * -ENODEV for one of another uuid, -ENOSPC, -EFBIG, -EINVAL (slab_size),
 * -EOVERFLOW, -ENOMEM, or what the device says; then nothing is left behind.
 */
int kfc_super_load(struct kfc_cache *c, struct kfc_geometry *geo)
{
	struct kfc_super_state *st;
	struct kfc_geometry unused;
	u64 epoch;
	int err;

	/* Too small for even two copies. */
	if (c->dev->pages < 3 || c->dev->pages > KFC_PAGES_MAX)
		return kfc_super_plan(&c->cfg, c->dev, &unused);
	st = kzalloc(sizeof(*st), GFP_KERNEL);
	if (!st)
		return -ENOMEM;
	c->super = st;
	err = -ENOMEM;
	st->page = alloc_page(GFP_KERNEL);
	if (!st->page)
		goto fail;
	err = kfc_super_read(c->dev, st);
	if (err)
		goto fail;
	err = kfc_super_decide(c, st);
	if (err)
		goto fail;
	epoch = le64_to_cpu(st->sb.epoch) + 1;
	c->saved.found = kfc_super_found(c, st);
	c->saved.epoch = le64_to_cpu(st->sb.saved_epoch);
	c->saved.items = le64_to_cpu(st->sb.saved_items);
	st->sb.epoch = cpu_to_le64(epoch);
	if (c->saved.found == KFC_FOUND_NOTHING)
		st->sb.valid_from = cpu_to_le64(epoch << KFC_EPOCH_SHIFT);
	c->saved.level = 0;
	if (c->saved.found == KFC_FOUND_CLEAN) {
		c->flush_at = le64_to_cpu(st->sb.saved_flush_at);
		c->saved.level = le32_to_cpu(st->sb.saved_level);
	}
	st->sb.flags &= cpu_to_le32(~KFC_SB_CLEAN);
	le64_add_cpu(&st->sb.generation, 1);
	err = kfc_super_write(c->dev, st);
	if (err) {
		pr_err("%s (%s): the superblock cannot be written: error %d\n",
		       c->dev->name, c->dev->what, err);
		goto fail;
	}
	if (st->did)
		pr_info("%s (%s): %s\n", c->dev->name, c->dev->what, st->did);
	kfc_super_take(c, geo);
	return 0;
fail:
	kfc_super_free(c);
	return err;
}

/**
 * kfc_super_epoch() - number of this load
 * @c: the cache, with a device
 *
 * Any context. Return: the epoch
 */
u64 kfc_super_epoch(const struct kfc_cache *c)
{
	return le64_to_cpu(c->super->sb.epoch);
}

static int kfc_super_next(struct kfc_cache *c)
{
	le64_add_cpu(&c->super->sb.generation, 1);
	return kfc_super_write(c->dev, c->super);
}

/**
 * kfc_super_store() - write the superblock with the present valid_from
 * @c: the cache
 *
 * All that was written before is durable before the superblock is. A flush that
 * fails makes the device a failed one: what it had taken may be lost.
 *
 * Context: a process; sleeps on the device; one caller at a time.
 * Return: 0, without a device too, or what the device says.
 */
int kfc_super_store(struct kfc_cache *c)
{
	int err;

	if (!c->super)
		return 0;
	c->super->sb.valid_from = cpu_to_le64(READ_ONCE(c->valid_from));
	err = kfc_super_next(c);
	if (c->super->unflushed)
		kfc_log_fail(c, "a flush that failed");
	return err;
}

/**
 * kfc_super_unload() - the last write of a load
 * @c: the cache
 * @clean: the index area is whole and matches the log
 * @items: entries in it
 *
 * Context: a process; sleeps on the device; one caller at a time.
 * Return: 0, without a device too, or what the device says.
 */
int kfc_super_unload(struct kfc_cache *c, bool clean, u64 items)
{
	struct kfc_super *sb;

	if (!c->super)
		return 0;
	sb = &c->super->sb;
	sb->unloaded_at = cpu_to_le64(kfc_now(c));
	if (clean) {
		sb->flags |= cpu_to_le32(KFC_SB_CLEAN);
		sb->saved_lines0 = cpu_to_le32(c->index.lines0);
		sb->saved_level = cpu_to_le32(kfc_index_reached(&c->index));
		sb->saved_epoch = sb->epoch;
		sb->saved_items = cpu_to_le64(items);
		sb->saved_flush_at = cpu_to_le64(READ_ONCE(c->flush_at));
	}
	return kfc_super_store(c);
}

/**
 * kfc_super_give_up() - nothing that lies on a device that failed counts
 * @c: the cache; it goes on without the device
 *
 * A later load starts empty, with recover=crash too: what the device missed
 * could be a delete. Context: as kfc_super_store(). Return: likewise
 */
int kfc_super_give_up(struct kfc_cache *c)
{
	u64 next;

	if (!c->super)
		return 0;
	next = le64_to_cpu(c->super->sb.epoch) + 1;
	c->super->sb.flags &= cpu_to_le32(~KFC_SB_CLEAN);
	c->super->sb.valid_from = cpu_to_le64(next << KFC_EPOCH_SHIFT);
	return kfc_super_next(c);
}

/**
 * kfc_super_undo() - a load came to nothing before it wrote anything else
 * @c: the cache
 *
 * What was clean is so again. Context: as kfc_super_store().
 */
void kfc_super_undo(struct kfc_cache *c)
{
	if (!c->super || c->saved.found != KFC_FOUND_CLEAN)
		return;
	c->super->sb.flags |= cpu_to_le32(KFC_SB_CLEAN);
	if (kfc_super_next(c))
		pr_err("%s: the superblock cannot be written; the next load starts empty\n",
		       c->dev->name);
}

/**
 * kfc_super_free() - forget the superblock
 * @c: the cache, with or without one
 *
 * Context: a process. Writes nothing.
 */
void kfc_super_free(struct kfc_cache *c)
{
	if (!c->super)
		return;
	if (c->super->page)
		__free_page(c->super->page);
	kfree(c->super);
	c->super = NULL;
}
