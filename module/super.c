// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The superblocks: whose devices these are, whether they belong together, and
 * where things lie on them.
 *
 * A set is whole if each of its devices is there and is of the last load. Else
 * it starts empty, like a device alone that was not unloaded cleanly. Nothing is
 * written before it is decided that all of the devices are ours to write.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uuid.h>

#include "area.h"
#include "kfc.h"
#include "sb.h"
#include "super.h"

/* The index is a multiple of the smallest table. */
#define KFC_UNIT_BYTES	(64ULL << KFC_INDEX_GROWTH)

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

/* Pages of all devices but one. */
static u64 kfc_super_others(struct kfc_dev *const *devs, u32 nr, u32 but)
{
	u64 pages = 0;
	u32 i;

	for (i = 0; i < nr; i++)
		pages += i == but ? 0 : devs[i]->pages;
	return pages;
}

/*
 * The least device, in MiB, that holds what was asked for: device 0 of a set,
 * with the index area, where the others have @others pages.
 */
static u64 kfc_super_least(const struct kfc_config *cfg, u64 others)
{
	u64 slab_pages = cfg->slab_bytes >> KFC_PAGE_SHIFT;
	u64 pages = 0, need = 1;

	/* What is needed grows with the size, but far slower. */
	while (need > pages) {
		u64 index_bytes = cfg->index_bytes;

		pages = round_up(need, (u64)KFC_MIB_PAGES);
		if (cfg->index_auto)
			index_bytes = kfc_super_index_auto((pages + others) <<
							   KFC_PAGE_SHIFT);
		need = round_up(1 + kfc_super_area(index_bytes, pages + others,
						   cfg->slab_bytes),
				(u64)KFC_MIB_PAGES) +
		       KFC_SLABS_MIN * slab_pages + 1;
	}
	return pages >> KFC_MIB_SHIFT;
}

static void kfc_super_too_small(const struct kfc_config *cfg,
				struct kfc_dev *const *devs, u32 nr, u32 i)
{
	u64 slab_pages = cfg->slab_bytes >> KFC_PAGE_SHIFT;
	const struct kfc_dev *d = devs[i];

	if (i)
		pr_err("%s (%s): too small; with slab_size=%u it takes at least %llu MiB\n",
		       d->name, d->what, cfg->slab_bytes >> 20,
		       (KFC_SLABS_MIN * slab_pages >> KFC_MIB_SHIFT) + 2);
	else
		pr_err("%s (%s): too small; with slab_size=%u and an index of %llu MiB it takes at least %llu MiB\n",
		       d->name, d->what, cfg->slab_bytes >> 20,
		       cfg->index_bytes >> 20,
		       kfc_super_least(cfg, kfc_super_others(devs, nr, 0)));
}

/* Where things are to lie. Return: 0, -ENOSPC or -EFBIG, with a line. */
static int kfc_super_plan(const struct kfc_config *cfg,
			  struct kfc_dev *const *devs, u32 nr,
			  struct kfc_geometry *geo)
{
	u64 slab_pages = cfg->slab_bytes >> KFC_PAGE_SHIFT, slabs = 0;
	u64 all = kfc_super_others(devs, nr, nr);
	u64 area = kfc_super_area(cfg->index_bytes, all, cfg->slab_bytes);
	struct kfc_place place[KFC_DEVICES_MAX] = {};
	u32 i;

	for (i = 0; i < nr; i++) {
		u64 before = 1 + (i ? 0 : area), end = devs[i]->pages - 1;
		u64 at = round_up(before, (u64)KFC_MIB_PAGES);
		u64 aligned = round_up(before, slab_pages);
		u64 n = at < end ? div64_u64(end - at, slab_pages) : 0;

		if (devs[i]->pages > KFC_PAGES_MAX) {
			pr_err("%s (%s): too large; at most %llu MiB are supported, in a partition for example\n",
			       devs[i]->name, devs[i]->what,
			       KFC_PAGES_MAX >> KFC_MIB_SHIFT);
			return -EFBIG;
		}
		if (devs[i]->pages < 3 || n < KFC_SLABS_MIN) {
			kfc_super_too_small(cfg, devs, nr, i);
			return -ENOSPC;
		}
		/* Whole slabs that its own blocks can follow, if it is free. */
		if (aligned < end && div64_u64(end - aligned, slab_pages) == n)
			at = aligned;
		place[i].slabs_at = at;
		place[i].nr_slabs = n;
		slabs += n;
	}
	if (slabs * slab_pages > KFC_PAGES_MAX) {
		pr_err("device=: %llu MiB in all; at most %llu MiB are supported, in partitions for example\n",
		       all >> KFC_MIB_SHIFT, KFC_PAGES_MAX >> KFC_MIB_SHIFT);
		return -EFBIG;
	}
	geo->slab_bytes = cfg->slab_bytes;
	geo->nr_slabs = slabs;
	geo->index_at = 1;
	geo->index_pages = area;
	geo->nr_devs = nr;
	memcpy(geo->place, place, sizeof(place));
	return 0;
}

/*
 * All devices are to be empty. Those that were ours keep their generation, and
 * the set the UUID of the first of them and the highest epoch.
 */
static int kfc_super_format(struct kfc_cache *c)
{
	u8 uuid[16], hash_key[16];
	struct kfc_geometry geo;
	u32 i, nr = c->nr_devs;
	u64 epoch = 0;
	int err = kfc_super_plan(&c->cfg, c->devs, nr, &geo);

	if (err)
		return err;
	generate_random_uuid(uuid);
	for (i = nr; i--; ) {
		struct kfc_super_state *st = &c->super[i];

		if (kfc_sb_is(st) != KFC_COPY_GOOD)
			continue;
		memcpy(uuid, st->sb.uuid, sizeof(uuid));
		epoch = max_t(u64, epoch, le64_to_cpu(st->sb.epoch));
	}
	get_random_bytes(hash_key, sizeof(hash_key));
	for (i = 0; i < nr; i++) {
		struct kfc_super_state *st = &c->super[i];
		bool was_good = kfc_sb_is(st) == KFC_COPY_GOOD;
		struct kfc_super *sb = &st->sb;

		if (!was_good)
			memset(sb, 0, sizeof(*sb));
		memcpy(sb->magic, KFC_SB_MAGIC, sizeof(sb->magic));
		sb->version = cpu_to_le32(KFC_SB_VERSION);
		memcpy(sb->uuid, uuid, sizeof(uuid));
		memcpy(sb->hash_key, hash_key, sizeof(hash_key));
		sb->pages = cpu_to_le64(c->devs[i]->pages);
		sb->slab_bytes = cpu_to_le32(geo.slab_bytes);
		sb->nr_slabs = cpu_to_le32(geo.place[i].nr_slabs);
		sb->slabs_at = cpu_to_le64(geo.place[i].slabs_at);
		sb->index_at = cpu_to_le64(geo.index_at);
		sb->index_pages = cpu_to_le64(i ? 0 : geo.index_pages);
		sb->epoch = cpu_to_le64(epoch);
		sb->unloaded_at = 0;
		sb->member = i;
		sb->members = nr;
		sb->lost = 0;
		sb->seq_from = 0;
		st->did = was_good ? "emptied" : "formatted";
	}
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

static int kfc_super_check_uuid(const struct kfc_cache *c, u32 nr)
{
	const struct kfc_super_state *st = &c->super[nr];
	const struct kfc_dev *d = c->devs[nr];
	char has[40], asked[40];

	if (!c->cfg.has_uuid)
		return 0;
	kfc_super_uuid_text(c->cfg.uuid.b, asked, sizeof(asked));
	if (kfc_sb_is(st) != KFC_COPY_GOOD) {
		pr_err("%s (%s): uuid=%s is not here: no good superblock of ours; nothing was written\n",
		       d->name, d->what, asked);
		return -ENODEV;
	}
	if (!memcmp(st->sb.uuid, c->cfg.uuid.b, sizeof(st->sb.uuid)))
		return 0;
	kfc_super_uuid_text(st->sb.uuid, has, sizeof(has));
	pr_err("%s (%s): uuid=%s is not here: this device has %s; nothing was written\n",
	       d->name, d->what, asked, has);
	return -ENODEV;
}

/* May a device be used, whatever for? Writes nothing. */
static int kfc_super_check(const struct kfc_cache *c, u32 nr)
{
	bool force = c->cfg.format == KFC_FORMAT_FORCE;
	struct kfc_super_state *st = &c->super[nr];
	struct kfc_dev *d = c->devs[nr];
	int err = 0;

	if (kfc_sb_is(st) != KFC_COPY_GOOD || kfc_sb_overwritten(st)) {
		if (!force)
			err = kfc_sb_refuse(d, st);
		if (err)
			return err;
	}
	if (kfc_sb_is(st) != KFC_COPY_GOOD) {
		st->wipe = force;
		return 0;
	}
	err = kfc_sb_behind(d, st, force);
	if (err)
		return err;
	if (c->cfg.format == KFC_FORMAT_NEW)
		return 0;
	if (le32_to_cpu(st->sb.slab_bytes) != c->cfg.slab_bytes) {
		pr_err("%s (%s): formatted with slab_size=%u, not %u; say so, or empty it with format=new\n",
		       d->name, d->what, le32_to_cpu(st->sb.slab_bytes) >> 20,
		       c->cfg.slab_bytes >> 20);
		return -EINVAL;
	}
	if (le64_to_cpu(st->sb.epoch) >= KFC_EPOCH_MAX) {
		pr_err("%s (%s): loaded %llu times, no more are possible; blank it and load again\n",
		       d->name, d->what, KFC_EPOCH_MAX);
		return -EOVERFLOW;
	}
	return 0;
}

/*
 * Is device @nr what the first one says of their set? Return: NULL, or what it
 * is instead. @seen: a bit for each number in the set.
 */
static const char *kfc_super_apart(const struct kfc_cache *c, u32 nr, u32 *seen)
{
	const struct kfc_super *a = &c->super[0].sb, *sb = &c->super[nr].sb;

	if (kfc_sb_is(&c->super[nr]) != KFC_COPY_GOOD)
		return "was not of the set";
	if (memcmp(sb->uuid, a->uuid, sizeof(a->uuid)) ||
	    memcmp(sb->hash_key, a->hash_key, sizeof(a->hash_key)))
		return "is of another set";
	if (sb->members > c->nr_devs)
		return "is of a set of more devices";
	if (sb->members < c->nr_devs)
		return "is of a set of fewer devices";
	if (sb->epoch != a->epoch)
		return "is of another load than the first";
	if (*seen & BIT(sb->member))
		return "is a copy of another one";
	*seen |= BIT(sb->member);
	return NULL;
}

/* Each device to its place in the set, in whatever order they were named. */
static void kfc_super_sort(struct kfc_cache *c)
{
	u32 i;

	for (i = 0; i < c->nr_devs; i++) {
		u32 to;

		while ((to = c->super[i].sb.member) != i) {
			swap(c->devs[i], c->devs[to]);
			swap(c->super[i], c->super[to]);
		}
	}
}

/*
 * Do the devices belong together? Where one of ours does not, a line says so.
 * Return: false where they have to start empty
 */
static bool kfc_super_together(struct kfc_cache *c)
{
	u32 i, seen = 0, bad = 0, ours = 0;
	const char *why = NULL, *is;
	u64 pages = 0;

	for (i = 0; i < c->nr_devs; i++) {
		const struct kfc_super *sb = &c->super[i].sb;

		is = kfc_super_apart(c, i, &seen);
		if (is && !why)
			bad = i;
		why = why ?: is;
		ours += kfc_sb_is(&c->super[i]) == KFC_COPY_GOOD;
		pages += (u64)le32_to_cpu(sb->nr_slabs) *
			 (c->cfg.slab_bytes >> KFC_PAGE_SHIFT);
	}
	if (!why && pages <= KFC_PAGES_MAX) {
		kfc_super_sort(c);
		return true;
	}
	if (ours && (c->nr_devs > 1 || c->super[0].sb.members > 1))
		pr_notice("%s (%s) %s: all that was there is gone, the cache starts empty\n",
			  c->devs[bad]->name, c->devs[bad]->what,
			  why ?: "is too large for the set");
	return false;
}

/* May the devices be used, and as what? Fills c->super; writes nothing. */
static int kfc_super_decide(struct kfc_cache *c)
{
	int err = 0;
	u32 i;

	for (i = 0; i < c->nr_devs && !err; i++)
		err = kfc_super_check_uuid(c, i) ?: kfc_super_check(c, i);
	if (err)
		return err;
	if (c->cfg.format == KFC_FORMAT_NEW || !kfc_super_together(c))
		return kfc_super_format(c);
	return 0;
}

/* Bytes of the largest index that the area holds. */
static u64 kfc_super_fits(const struct kfc_cache *c)
{
	u32 i, slabs = 0;

	for (i = 0; i < c->nr_devs; i++)
		slabs += le32_to_cpu(c->super[i].sb.nr_slabs);
	return kfc_area_fits(le64_to_cpu(c->super[0].sb.index_pages), slabs) *
	       KFC_UNIT_BYTES;
}

/* A bit for each device that failed in the last load. */
static u32 kfc_super_lost(const struct kfc_cache *c)
{
	u32 i, lost = 0;

	for (i = 0; i < c->nr_devs; i++)
		lost |= c->super[i].sb.lost;
	return lost;
}

/* Is the last unload whole, on all devices that were left? */
static bool kfc_super_clean(const struct kfc_cache *c)
{
	const struct kfc_super *a = &c->super[0].sb, *sb;
	u32 i, lost = kfc_super_lost(c);

	for (i = 0; i < c->nr_devs; i++) {
		sb = &c->super[i].sb;
		if (i && lost & BIT(i))
			continue;
		if (!(sb->flags & cpu_to_le32(KFC_SB_CLEAN)) ||
		    sb->saved_epoch != a->saved_epoch)
			return false;
	}
	return !(lost & BIT(0));
}

/* How is this load to begin? */
static enum kfc_found kfc_super_found(const struct kfc_cache *c)
{
	const struct kfc_super *sb = &c->super[0].sb;
	u64 saved = le32_to_cpu(sb->saved_lines0) * KFC_UNIT_BYTES;

	if (c->super[0].did)
		return KFC_FOUND_NOTHING;
	if (kfc_super_clean(c) && saved && saved <= kfc_super_fits(c) &&
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
			  c->devs[0]->name, saved >> 20,
			  c->cfg.index_bytes >> 20);
	c->cfg.index_bytes = saved;
}

/* A later load may ask for a larger index than its area on the device holds. */
static void kfc_super_fit_index(struct kfc_cache *c)
{
	u64 fits = kfc_super_fits(c);

	if (kfc_super_lines(c->cfg.index_bytes) * KFC_UNIT_BYTES <= fits)
		return;
	pr_notice("%s: index of %llu MiB, not %llu: no more fits the area kept for it when the device was formatted\n",
		  c->devs[0]->name, fits >> 20, c->cfg.index_bytes >> 20);
	c->cfg.index_bytes = fits;
}

/* No object may live longer because the clock was set back. */
static void kfc_super_clock(struct kfc_cache *c, u64 unloaded_at)
{
	u64 now = kfc_now(c);

	if (now >= unloaded_at)
		return;
	pr_notice("%s: the clock is %llu s behind the last unload; time goes on from there\n",
		  c->devs[0]->name, unloaded_at - now);
	c->wall_base += unloaded_at - now;
	c->loaded_at = kfc_now(c);
}

static void kfc_super_take(struct kfc_cache *c, struct kfc_geometry *geo)
{
	const struct kfc_super *sb = &c->super[0].sb;
	u64 unloaded_at = 0;
	__le64 key[2];
	u32 i;

	memcpy(key, sb->hash_key, sizeof(key));
	c->hkey.key[0] = le64_to_cpu(key[0]);
	c->hkey.key[1] = le64_to_cpu(key[1]);
	memcpy(c->uuid.b, sb->uuid, sizeof(sb->uuid));
	c->valid_from = le64_to_cpu(sb->valid_from);
	c->kept_from = c->valid_from;
	atomic64_set(&c->order, le64_to_cpu(sb->epoch) << KFC_EPOCH_SHIFT);
	memset(geo, 0, sizeof(*geo));
	geo->slab_bytes = le32_to_cpu(sb->slab_bytes);
	geo->index_at = le64_to_cpu(sb->index_at);
	geo->index_pages = le64_to_cpu(sb->index_pages);
	geo->nr_devs = c->nr_devs;
	for (i = 0; i < c->nr_devs; i++) {
		sb = &c->super[i].sb;
		geo->place[i].slabs_at = le64_to_cpu(sb->slabs_at);
		geo->place[i].seq_from = le64_to_cpu(sb->seq_from);
		geo->place[i].nr_slabs = le32_to_cpu(sb->nr_slabs);
		geo->nr_slabs += geo->place[i].nr_slabs;
		unloaded_at = max_t(u64, unloaded_at,
				    le64_to_cpu(sb->unloaded_at));
	}
	if (c->saved.found == KFC_FOUND_CLEAN)
		kfc_super_keep_index(c);
	else
		kfc_super_fit_index(c);
	if (!c->super->did)
		kfc_super_clock(c, unloaded_at);
}

/* A new epoch, in which no device is clean and none has failed. */
static void kfc_super_begin(struct kfc_cache *c)
{
	u64 epoch = le64_to_cpu(c->super->sb.epoch) + 1, from = 0;
	u32 i, lost = kfc_super_lost(c);

	for (i = 0; i < c->nr_devs; i++)
		from = max_t(u64, from,
			     le64_to_cpu(c->super[i].sb.valid_from));
	if (c->saved.found == KFC_FOUND_NOTHING)
		from = epoch << KFC_EPOCH_SHIFT;
	for (i = 0; i < c->nr_devs; i++) {
		struct kfc_super *sb = &c->super[i].sb;

		if (lost & BIT(i)) {
			pr_notice("%s (%s): failed in the last load, so it starts empty\n",
				  c->devs[i]->name, c->devs[i]->what);
			sb->seq_from = cpu_to_le64(epoch << KFC_EPOCH_SHIFT);
		}
		sb->epoch = cpu_to_le64(epoch);
		sb->valid_from = cpu_to_le64(from);
		sb->flags &= cpu_to_le32(~KFC_SB_CLEAN);
		sb->lost = 0;
		le64_add_cpu(&sb->generation, 1);
	}
}

static int kfc_super_open(struct kfc_cache *c)
{
	int err = 0;
	u32 i;

	c->super = kcalloc(c->nr_devs, sizeof(*c->super), GFP_KERNEL);
	if (!c->super)
		return -ENOMEM;
	for (i = 0; i < c->nr_devs && !err; i++) {
		c->super[i].page = alloc_page(GFP_KERNEL);
		err = c->super[i].page ? kfc_sb_read(c->devs[i], &c->super[i]) :
					 -ENOMEM;
	}
	return err;
}

/**
 * kfc_super_load() - find out what the devices are, format them if they may
 * be, and begin a new load epoch on them
 * @c: cache with its parameters checked, its clock set and its devices open;
 *	gets hkey, uuid, order, valid_from, saved and super, and another
 *	cfg.index_bytes where the devices have less room for it or hold an index
 *	of another size; its clock is set on where it is behind, and devs put
 *	into the order of the set
 * @geo: gets what lies where
 *
 * From now on no device is clean. Where the load starts empty, valid_from is
 * raised to the new epoch, on the devices too, before anything else is
 * written. What is wrong is said in one line of the log.
 *
 * Context: a process; sleeps on the devices.
 * Return: 0; -EMEDIUMTYPE for a device that is neither blank nor usable,
 * -ENODEV for one of another uuid, -ENOSPC, -EFBIG, -EINVAL (slab_size),
 * -EOVERFLOW, -ENOMEM, or what a device says; then nothing is left behind.
 */
int kfc_super_load(struct kfc_cache *c, struct kfc_geometry *geo)
{
	int err;
	u32 i;

	/* Too small for even two copies. */
	for (i = 0; i < c->nr_devs; i++)
		if (c->devs[i]->pages < 3 || c->devs[i]->pages > KFC_PAGES_MAX)
			return kfc_super_plan(&c->cfg, c->devs, c->nr_devs,
					      geo);
	err = kfc_super_open(c) ?: kfc_super_decide(c);
	if (err)
		goto fail;
	c->saved.found = kfc_super_found(c);
	c->saved.epoch = le64_to_cpu(c->super->sb.saved_epoch);
	c->saved.items = le64_to_cpu(c->super->sb.saved_items);
	c->saved.level = 0;
	if (c->saved.found == KFC_FOUND_CLEAN) {
		c->flush_at = le64_to_cpu(c->super->sb.saved_flush_at);
		c->saved.level = le32_to_cpu(c->super->sb.saved_level);
	}
	kfc_super_begin(c);
	for (i = 0; i < c->nr_devs; i++) {
		const struct kfc_dev *d = c->devs[i];

		err = kfc_sb_wipe(c->devs[i], &c->super[i]) ?:
		      kfc_sb_write(c->devs[i], &c->super[i]);
		if (err) {
			pr_err("%s (%s): the superblock cannot be written: error %d\n",
			       d->name, d->what, err);
			goto fail;
		}
		if (c->super[i].did)
			pr_info("%s (%s): %s\n", d->name, d->what,
				c->super[i].did);
	}
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

static int kfc_super_next(struct kfc_cache *c, u32 nr)
{
	le64_add_cpu(&c->super[nr].sb.generation, 1);
	return kfc_sb_write(c->devs[nr], &c->super[nr]);
}

/**
 * kfc_super_store() - write a superblock with the present valid_from, and with
 * which devices have failed
 * @c: the cache, with a device
 * @nr: which
 *
 * All that was written to it before is durable before the superblock is. A
 * flush that fails makes the device a failed one: what it had taken may be
 * lost.
 *
 * Context: a process; sleeps on the device; one caller a device at a time.
 * Return: 0, or what the device says.
 */
int kfc_super_store(struct kfc_cache *c, u32 nr)
{
	struct kfc_super_state *st = &c->super[nr];
	int err;

	st->sb.valid_from = cpu_to_le64(READ_ONCE(c->valid_from));
	st->sb.lost = kfc_log_lost(&c->log);
	err = kfc_super_next(c, nr);
	if (st->unflushed)
		kfc_member_fail(c, nr, "a flush that failed");
	return err;
}

static void kfc_super_saved(struct kfc_cache *c, struct kfc_super *sb,
			    u64 items)
{
	sb->flags |= cpu_to_le32(KFC_SB_CLEAN);
	sb->saved_lines0 = cpu_to_le32(c->index.lines0);
	sb->saved_level = cpu_to_le32(kfc_index_reached(&c->index));
	sb->saved_epoch = sb->epoch;
	sb->saved_items = cpu_to_le64(items);
	sb->saved_flush_at = cpu_to_le64(READ_ONCE(c->flush_at));
}

/**
 * kfc_super_unload() - the last write of a load
 * @c: the cache, with a device
 * @clean: the index area is whole and matches the log
 * @items: entries in it
 *
 * Context: a process; sleeps on the devices; one caller at a time.
 * Return: 0, or what device 0 says: if another one fails that costs no more
 * than what lies there.
 */
int kfc_super_unload(struct kfc_cache *c, bool clean, u64 items)
{
	u32 nr = c->nr_devs;
	int err = 0;

	/* The first one comes last, and tells of the others. */
	while (nr--) {
		struct kfc_super *sb = &c->super[nr].sb;

		if (kfc_member_failed(&c->log, nr))
			continue;
		sb->unloaded_at = cpu_to_le64(kfc_now(c));
		if (clean)
			kfc_super_saved(c, sb, items);
		err = kfc_super_store(c, nr);
		if (err && nr)
			kfc_member_fail(c, nr, "its superblock");
	}
	/* That it has failed it can't tell: another one does. */
	for (nr = 1; err && nr < c->nr_devs; nr++)
		if (!kfc_member_failed(&c->log, nr) && !kfc_super_store(c, nr))
			break;
	return err;
}

/**
 * kfc_super_give_up() - nothing that lies on devices that failed counts
 * @c: the cache; it goes on without any device
 * @nr: one of them; it is enough if one takes it
 *
 * A later load starts empty, with recover=crash too: what the devices missed
 * could be a delete. Context: as kfc_super_store(). Return: likewise
 */
int kfc_super_give_up(struct kfc_cache *c, u32 nr)
{
	struct kfc_super *sb = &c->super[nr].sb;
	u64 next = le64_to_cpu(sb->epoch) + 1;

	sb->flags &= cpu_to_le32(~KFC_SB_CLEAN);
	sb->valid_from = cpu_to_le64(next << KFC_EPOCH_SHIFT);
	return kfc_super_next(c, nr);
}

/**
 * kfc_super_undo() - a load came to nothing before it wrote anything else
 * @c: the cache
 *
 * What was clean is so again. Context: as kfc_super_store().
 */
void kfc_super_undo(struct kfc_cache *c)
{
	u32 i;

	if (!c->super || c->saved.found != KFC_FOUND_CLEAN)
		return;
	for (i = 0; i < c->nr_devs; i++) {
		struct kfc_super *sb = &c->super[i].sb;

		sb->flags |= cpu_to_le32(KFC_SB_CLEAN);
		sb->saved_epoch = c->super[0].sb.saved_epoch;
		if (kfc_super_next(c, i))
			pr_err("%s: the superblock cannot be written; the next load starts empty\n",
			       c->devs[i]->name);
	}
}

/**
 * kfc_super_free() - forget the superblocks
 * @c: the cache, with or without one
 *
 * Context: a process. Writes nothing.
 */
void kfc_super_free(struct kfc_cache *c)
{
	u32 i;

	if (!c->super)
		return;
	for (i = 0; i < c->nr_devs; i++)
		if (c->super[i].page)
			__free_page(c->super[i].page);
	kfree(c->super);
	c->super = NULL;
}
