// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The superblock on a device in memory that loses power, tears writes, fails,
 * and holds any bytes at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../shim/shim.h"

/* What only super.c, sb.c and foreign.c need of the kernel. */
static char said[512];
static int lines;
#define say(...) (lines++, (void)snprintf(said, sizeof(said), __VA_ARGS__))
#undef pr_err
#undef pr_info
#undef pr_notice
#define pr_err(...) say(__VA_ARGS__)
#define pr_info(...) say(__VA_ARGS__)
#define pr_notice(...) say(__VA_ARGS__)

#include "../../module/foreign.c"
#undef MARK
#include "../../module/sb.c"
#include "../../module/super.c"

void kfc_member_fail(struct kfc_cache *c, u32 nr, const char *why)
{
	c->log.members[nr].failed = true;
}

#define MIB (1ULL << 20)
#define PENDING 16

static u64 now = 1700000000;

u64 kfc_now(const struct kfc_cache *c)
{
	return now + c->wall_base;
}

/* What a write that was not flushed may have become. */
enum fate { KEPT, LOST, TORN, FATES };

struct disk {
	struct kfc_dev dev;
	u8 *mem;		/* what survives */
	struct {
		u64 page_no;
		u8 data[KFC_PAGE];
	} pending[PENDING];	/* single pages only: copies of the superblock */
	u32 nr;
	u32 writes;
	u32 steps;		/* writes and flushes so far */
	u32 dies_at;		/* step from which on nothing arrives, 0 never */
	u32 fails_at;		/* I/O that fails, counted from 1 */
	u64 no_write;		/* page that takes nothing, counted from 1 */
	u32 ios;
	bool wiped_by_force;
};

static struct disk *to_disk(struct kfc_dev *d)
{
	return container_of(d, struct disk, dev);
}

static bool dead(struct disk *k)
{
	return k->dies_at && ++k->steps >= k->dies_at;
}

static void disk_read(struct kfc_dev *d, struct kfc_io *io)
{
	struct disk *k = to_disk(d);
	u32 i, j;

	assert_true(io->page_no + io->nr_pages <= d->pages);
	for (i = 0; i < io->nr_pages; i++) {
		u64 no = io->page_no + i;
		const u8 *from = k->mem + no * KFC_PAGE;

		for (j = 0; j < k->nr; j++)
			if (k->pending[j].page_no == no)
				from = k->pending[j].data;
		memcpy(page_address(io->pages[i]), from, KFC_PAGE);
	}
	io->err = ++k->ios == k->fails_at ? -EIO : 0;
	io->done(io);
}

/* All else that is written is zeros, and only where that was asked for. */
static void disk_wipe(struct disk *k, struct kfc_io *io)
{
	u32 i;

	assert_true(k->wiped_by_force);
	assert_true(io->page_no + io->nr_pages <= k->dev.pages);
	io->err = ++k->ios == k->fails_at ? -EIO : 0;
	for (i = 0; i < io->nr_pages && !io->err; i++) {
		const u8 *p = page_address(io->pages[i]);

		assert_null(memchr_inv(p, 0, KFC_PAGE));
		memset(k->mem + (io->page_no + i) * KFC_PAGE, 0, KFC_PAGE);
	}
	io->done(io);
}

static void disk_write(struct kfc_dev *d, struct kfc_io *io)
{
	struct disk *k = to_disk(d);

	if (io->nr_pages > 1 || (io->page_no && io->page_no < d->pages - 1)) {
		disk_wipe(k, io);
		return;
	}
	io->err = ++k->ios == k->fails_at || io->page_no + 1 == k->no_write ?
		  -EIO : 0;
	if (!io->err)
		k->writes++;
	if (!io->err && !dead(k)) {
		assert_true(k->nr < PENDING);
		k->pending[k->nr].page_no = io->page_no;
		memcpy(k->pending[k->nr++].data, page_address(io->pages[0]),
		       KFC_PAGE);
	}
	io->done(io);
}

static void disk_settle(struct disk *k, u32 fates)
{
	u32 i;

	for (i = 0; i < k->nr; i++, fates /= FATES) {
		u8 *to = k->mem + k->pending[i].page_no * KFC_PAGE;

		if (fates % FATES == KEPT)
			memcpy(to, k->pending[i].data, KFC_PAGE);
		else if (fates % FATES == TORN)
			memcpy(to, k->pending[i].data, 32);
	}
	k->nr = 0;
}

static int disk_flush(struct kfc_dev *d)
{
	struct disk *k = to_disk(d);

	if (++k->ios == k->fails_at)
		return -EIO;
	if (!dead(k))
		disk_settle(k, 0);
	return 0;
}

static const struct kfc_dev_ops disk_ops = {
	.read = disk_read,
	.write = disk_write,
	.flush = disk_flush,
};

static struct disk *disk_new(u64 bytes)
{
	struct disk *k = calloc(1, sizeof(*k));

	k->mem = calloc(1, bytes);
	k->dev.ops = &disk_ops;
	k->dev.pages = bytes / KFC_PAGE;
	k->dev.name[0] = 'd';
	return k;
}

static void disk_free(struct disk *k)
{
	free(k->mem);
	free(k);
}

static struct kfc_cache cache;
static struct kfc_geometry geo;
/* Parameters that one test has others of. */
static u32 slab_bytes = 1 << 20;
static const uuid_t *uuid;

/* As at insmod: a cache of nothing but parameters. */
static int load(struct disk *k, enum kfc_format format)
{
	long pages = shim_pages;
	int err;

	memset(&cache, 0, sizeof(cache));
	memset(&geo, 0, sizeof(geo));
	cache.devs[0] = &k->dev;
	cache.nr_devs = 1;
	cache.cfg.format = format;
	k->wiped_by_force = format == KFC_FORMAT_FORCE;
	cache.cfg.slab_bytes = slab_bytes;
	cache.cfg.index_bytes = MIB;
	cache.cfg.has_uuid = uuid;
	if (uuid)
		cache.cfg.uuid = *uuid;
	lines = 0;
	err = kfc_super_load(&cache, &geo);
	if (err) {
		assert_null(cache.super);
		assert_int_equal(shim_pages, pages);
	}
	return err;
}

static int reload(struct disk *k, enum kfc_format format)
{
	int err = load(k, format);

	kfc_super_free(&cache);
	return err;
}

static struct kfc_super *copy_at(struct disk *k, int copy)
{
	return (void *)(k->mem + (copy ? k->dev.pages - 1 : 0) * KFC_PAGE);
}

static void sign(struct kfc_super *sb)
{
	sb->crc = cpu_to_le32(kfc_sb_crc(sb));
}

static void test_format(void **state)
{
	struct disk *k = disk_new(32 * MIB);
	struct kfc_super *sb = copy_at(k, 0);

	assert_int_equal(load(k, KFC_FORMAT_ASK), 0);
	assert_int_equal(lines, 1);
	assert_memory_equal(sb, copy_at(k, 1), KFC_PAGE);
	assert_memory_equal(sb->magic, "KFATCACH", 8);
	assert_memory_equal(sb->uuid, cache.uuid.b, 16);
	assert_memory_equal(sb->hash_key, &cache.hkey, 16);
	assert_int_equal(sb->epoch, 1);
	assert_true(cache.valid_from == 1ULL << KFC_EPOCH_SHIFT);
	assert_true(atomic64_read(&cache.order) == (s64)cache.valid_from);
	assert_int_equal(geo.index_at, 1);
	assert_true(geo.index_pages >= kfc_area_pages(MIB / 64 / 512,
						      geo.nr_slabs));
	assert_true(geo.index_pages * KFC_PAGE < MIB + MIB / 50 + 2 * KFC_PAGE);
	/* flush_all */
	cache.valid_from += 5;
	assert_int_equal(kfc_super_store(&cache, 0), 0);
	assert_true(sb->valid_from == cache.valid_from);
	assert_memory_equal(sb, copy_at(k, 1), KFC_PAGE);
	kfc_super_free(&cache);
	assert_int_equal(reload(k, KFC_FORMAT_ASK), 0);
	assert_int_equal(lines, 0);
	assert_int_equal(sb->epoch, 2);
	disk_free(k);
}

/* Power goes at every step, and each write on its way meets every fate. */
static void crash(enum kfc_format format)
{
	u32 at, fates;

	for (at = 1; at < 8; at++) {
		for (fates = 0; fates < FATES * FATES * FATES; fates++) {
			struct disk *k = disk_new(16 * MIB);
			uuid_t uuid;
			u64 epoch;

			assert_int_equal(load(k, KFC_FORMAT_ASK), 0);
			assert_int_equal(kfc_super_store(&cache, 0), 0);
			uuid = cache.uuid;
			kfc_super_free(&cache);
			k->dies_at = at;
			assert_int_equal(reload(k, format), 0);
			/* Step 3 makes the first copy durable. */
			epoch = at > 3 ? 2 : 1;
			k->dies_at = 0;
			disk_settle(k, fates);
			assert_int_equal(load(k, KFC_FORMAT_ASK), 0);
			assert_memory_equal(&uuid, &cache.uuid, sizeof(uuid));
			assert_true(cache.super->sb.epoch > epoch);
			kfc_super_free(&cache);
			disk_free(k);
		}
	}
}

static void test_crash(void **state)
{
	crash(KFC_FORMAT_ASK);
	crash(KFC_FORMAT_NEW);
}

/* A good one is never the only one at stake. */
static void test_bad_one_first(void **state)
{
	u32 fates, gen;
	int bad;

	for (gen = 0; gen < 4; gen++) {
		for (bad = 0; bad < 2; bad++) {
			for (fates = 0; fates < FATES; fates++) {
				struct disk *k = disk_new(16 * MIB);
				uuid_t uuid;
				u32 i;

				for (i = 0; i <= gen; i++)
					assert_int_equal(reload(k, 0), 0);
				uuid = cache.uuid;
				copy_at(k, bad)->epoch ^= 1;
				k->dies_at = 3;
				assert_int_equal(reload(k, 0), 0);
				k->dies_at = 0;
				disk_settle(k, fates);
				assert_int_equal(reload(k, 0), 0);
				assert_memory_equal(&uuid, &cache.uuid,
						    sizeof(uuid));
				disk_free(k);
			}
		}
	}
}

/* While one copy takes no write the other, the only good one, is not at stake. */
static void test_one_page_bad(void **state)
{
	struct disk *k = disk_new(16 * MIB);
	u8 was[KFC_PAGE];
	int bad, i;

	for (bad = 0; bad < 2; bad++) {
		assert_int_equal(load(k, KFC_FORMAT_ASK), 0);
		k->no_write = (bad ? k->dev.pages - 1 : 0) + 1;
		/* The first time it may be the second that is written. */
		cache.valid_from++;
		assert_int_equal(kfc_super_store(&cache, 0), -EIO);
		memcpy(was, copy_at(k, !bad), KFC_PAGE);
		for (i = 0; i < 3; i++) {
			cache.valid_from++;
			assert_int_equal(kfc_super_store(&cache, 0), -EIO);
			assert_memory_equal(copy_at(k, !bad), was, KFC_PAGE);
		}
		kfc_super_free(&cache);
		assert_int_equal(load(k, KFC_FORMAT_ASK), -EIO);
		assert_int_equal(lines, 1);
		k->no_write = 0;
		assert_int_equal(reload(k, KFC_FORMAT_ASK), 0);
		assert_memory_equal(copy_at(k, 0), copy_at(k, 1), KFC_PAGE);
	}
	disk_free(k);
}

/* md 1.2 and bcache write behind our first page, and leave the last one alone. */
static void test_taken_behind(void **state)
{
	static const struct {
		u32 off;
		const char *bytes;
	} how[] = {
		{ 4096, "\xfc\x4e\x2b\xa9" },
		{ 4120, "\xc6\x85\x73\xf6\x4e\x1a" },
		{ 65600, "_BHRfS_M" },
	};
	struct disk *k;
	uuid_t id;
	u32 i, len;

	for (i = 0; i < ARRAY_SIZE(how); i++) {
		len = strlen(how[i].bytes);
		k = disk_new(16 * MIB);
		assert_int_equal(reload(k, KFC_FORMAT_ASK), 0);
		id = cache.uuid;
		/* What is ours there stays. */
		memset(k->mem + 3 * KFC_PAGE, 7, KFC_PAGE);
		memcpy(k->mem + how[i].off, how[i].bytes, len);
		k->writes = 0;
		assert_int_equal(load(k, KFC_FORMAT_ASK), -EMEDIUMTYPE);
		assert_int_equal(lines, 1);
		assert_int_equal(load(k, KFC_FORMAT_NEW), -EMEDIUMTYPE);
		assert_int_equal(k->writes, 0);
		assert_memory_equal(k->mem + how[i].off, how[i].bytes, len);
		assert_int_equal(reload(k, KFC_FORMAT_FORCE), 0);
		assert_memory_equal(&id, &cache.uuid, sizeof(id));
		assert_memory_not_equal(k->mem + how[i].off, how[i].bytes, len);
		assert_int_equal(k->mem[3 * KFC_PAGE], 7);
		assert_int_equal(reload(k, KFC_FORMAT_ASK), 0);
		assert_memory_equal(&id, &cache.uuid, sizeof(id));
		disk_free(k);
	}
	/* Who takes somebody else's device leaves no mark of them, and no more. */
	k = disk_new(16 * MIB);
	memset(k->mem, 'x', 16 * MIB);
	assert_int_equal(load(k, KFC_FORMAT_ASK), -EMEDIUMTYPE);
	assert_int_equal(reload(k, KFC_FORMAT_FORCE), 0);
	assert_null(memchr_inv(k->mem + KFC_PAGE, 0, MIB - KFC_PAGE));
	assert_null(memchr_inv(k->mem + 15 * MIB, 0, MIB - KFC_PAGE));
	assert_int_equal(k->mem[MIB], 'x');
	assert_int_equal(k->mem[15 * MIB - 1], 'x');
	assert_int_equal(reload(k, KFC_FORMAT_ASK), 0);
	disk_free(k);
}

/* What was ours, until somebody else took it: one copy may well be left. */
static void test_taken_over(void **state)
{
	static const struct {
		int copy;
		u32 off;
		const char *bytes;
		bool ours;
	} how[] = {
		{ 0, 0, "LUKS\xba\xbe", false },
		{ 0, 3, "NTFS    ", false },
		{ 0, 510, "\x55\xaa", false },	/* the magic stays */
		{ 0, 4086, "SWAPSPACE2", false },
		{ 0, 512, "LABELONE", false },
		{ 1, 0, "anything else", false },
		{ 0, 0, "KFATCACK", true },	/* damage */
		{ 1, 50, "damage", true },
		{ 0, 600, "damage", true },
	};
	u8 was[KFC_PAGE];
	struct disk *k;
	uuid_t id;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(how); i++) {
		u8 *page;

		k = disk_new(16 * MIB);
		page = (void *)copy_at(k, how[i].copy);
		assert_int_equal(load(k, KFC_FORMAT_ASK), 0);
		id = cache.uuid;
		kfc_super_free(&cache);
		memcpy(page + how[i].off, how[i].bytes, strlen(how[i].bytes));
		memcpy(was, page, KFC_PAGE);
		uuid = &id;
		if (how[i].ours) {
			assert_int_equal(load(k, KFC_FORMAT_ASK), 0);
			kfc_super_free(&cache);
		} else {
			k->writes = 0;
			assert_int_equal(load(k, KFC_FORMAT_ASK), -EMEDIUMTYPE);
			assert_int_equal(lines, 1);
			assert_int_equal(load(k, KFC_FORMAT_NEW), -EMEDIUMTYPE);
			assert_int_equal(k->writes, 0);
			assert_memory_equal(page, was, KFC_PAGE);
			assert_int_equal(load(k, KFC_FORMAT_FORCE), 0);
			kfc_super_free(&cache);
		}
		uuid = NULL;
		assert_memory_equal(&id, &cache.uuid, sizeof(id));
		assert_memory_equal(copy_at(k, 0), copy_at(k, 1), KFC_PAGE);
		disk_free(k);
	}
	/* Zeros are nobody's. */
	k = disk_new(16 * MIB);
	assert_int_equal(reload(k, KFC_FORMAT_ASK), 0);
	memset(copy_at(k, 0), 0, KFC_PAGE);
	id = cache.uuid;
	assert_int_equal(reload(k, KFC_FORMAT_ASK), 0);
	assert_memory_equal(&id, &cache.uuid, sizeof(id));
	disk_free(k);
}

static void test_flips(void **state)
{
	struct disk *k = disk_new(16 * MIB);
	u8 was[KFC_PAGE];
	u32 bit;

	assert_int_equal(reload(k, KFC_FORMAT_ASK), 0);
	for (bit = 0; bit < KFC_PAGE * 8; bit += bit < 1200 ? 1 : 97) {
		memcpy(was, copy_at(k, 0), KFC_PAGE);
		((u8 *)copy_at(k, 0))[bit / 8] ^= 1 << bit % 8;
		k->writes = 0;
		assert_int_equal(reload(k, KFC_FORMAT_ASK), 0);
		assert_int_equal(k->writes, 2);
		((u8 *)copy_at(k, 0))[bit / 8] ^= 1 << bit % 8;
		((u8 *)copy_at(k, 1))[bit / 8] ^= 1 << bit % 8;
		k->writes = 0;
		assert_int_equal(reload(k, KFC_FORMAT_ASK), -EMEDIUMTYPE);
		assert_int_equal(reload(k, KFC_FORMAT_NEW), -EMEDIUMTYPE);
		assert_int_equal(k->writes, 0);
		memcpy(copy_at(k, 0), was, KFC_PAGE);
		memcpy(copy_at(k, 1), was, KFC_PAGE);
	}
	disk_free(k);
}

/* uuid= and slab_size= of another device: refused, and not written to. */
static void test_another_device(void **state)
{
	struct disk *k = disk_new(32 * MIB), *blank = disk_new(32 * MIB);
	uuid_t own;

	assert_int_equal(load(k, KFC_FORMAT_ASK), 0);
	own = cache.uuid;
	kfc_super_free(&cache);
	uuid = &own;
	assert_int_equal(reload(k, KFC_FORMAT_ASK), 0);
	assert_int_equal(reload(blank, KFC_FORMAT_ASK), -ENODEV);
	assert_int_equal(reload(blank, KFC_FORMAT_FORCE), -ENODEV);
	assert_int_equal(lines, 1);
	assert_int_equal(blank->writes, 0);
	own.b[7] ^= 1;
	k->writes = 0;
	assert_int_equal(reload(k, KFC_FORMAT_ASK), -ENODEV);
	assert_int_equal(reload(k, KFC_FORMAT_FORCE), -ENODEV);
	uuid = NULL;
	slab_bytes = 2 << 20;
	assert_int_equal(reload(k, KFC_FORMAT_ASK), -EINVAL);
	assert_int_equal(lines, 1);
	assert_int_equal(k->writes, 0);
	slab_bytes = 1 << 20;
	assert_int_equal(reload(k, KFC_FORMAT_ASK), 0);
	disk_free(k);
	disk_free(blank);
}

/* Any field may say anything, under a checksum that is right. */
static void test_fields(void **state)
{
	static const u64 edges[] = {
		0, 1, 2, 255, 4095, 4096, 1 << 20, 64 << 20, U32_MAX, 1ULL << 30,
		1ULL << 52, 1ULL << 63, U64_MAX, U64_MAX - 1,
	};
	struct disk *k = disk_new(16 * MIB);
	struct kfc_super *sb = copy_at(k, 0);
	u8 good[KFC_PAGE];
	u32 i, taken = 0;

	assert_int_equal(reload(k, KFC_FORMAT_ASK), 0);
	memcpy(good, sb, KFC_PAGE);
	srand(5);
	for (i = 0; i < 20000; i++) {
		u32 changes = rand() % 4;
		u64 end;

		memcpy(sb, good, KFC_PAGE);
		while (changes--) {
			u32 at = 8 + rand() % ((sizeof(*sb) - 8) / 4) * 4;
			u64 v = edges[rand() % ARRAY_SIZE(edges)] + rand() % 2;

			memcpy((u8 *)sb + at, &v, rand() % 2 &&
			       at + 8 <= sizeof(*sb) ? 8 : 4);
		}
		sign(sb);
		memcpy(copy_at(k, 1), sb, KFC_PAGE);
		k->writes = 0;
		if (reload(k, KFC_FORMAT_ASK)) {
			assert_int_equal(k->writes, 0);
			assert_int_equal(lines, 1);
			continue;
		}
		taken++;
		end = geo.place[0].slabs_at + geo.nr_slabs *
		      (u64)(geo.slab_bytes / KFC_PAGE);
		assert_true(geo.nr_slabs && geo.index_at >= 1 &&
			    geo.index_pages < k->dev.pages &&
			    geo.index_at + geo.index_pages <=
			    geo.place[0].slabs_at &&
			    geo.place[0].slabs_at < k->dev.pages &&
			    end < k->dev.pages);
	}
	assert_true(taken > 1000);
	disk_free(k);
}

static void test_refusals(void **state)
{
	struct disk *k = disk_new(16 * MIB);
	struct kfc_super *first = copy_at(k, 0), *last = copy_at(k, 1);

	assert_int_equal(reload(k, KFC_FORMAT_ASK), 0);
	k->writes = 0;
	last->version = 9;
	sign(last);
	assert_int_equal(reload(k, KFC_FORMAT_ASK), -EMEDIUMTYPE);
	assert_non_null(strstr(said, "version 9, this module knows 3"));
	/* The one before: its index area would be read as what it is not. */
	last->version = 2;
	sign(last);
	assert_int_equal(reload(k, KFC_FORMAT_ASK), -EMEDIUMTYPE);
	assert_non_null(strstr(said, "version 2, this module knows 3"));
	last->version = KFC_SB_VERSION;
	last->uuid[3] ^= 1;
	sign(last);
	assert_int_equal(reload(k, KFC_FORMAT_ASK), -EMEDIUMTYPE);
	last->uuid[3] ^= 1;
	first->epoch = KFC_EPOCH_MAX;
	first->generation += 100;
	sign(first);
	assert_int_equal(reload(k, KFC_FORMAT_ASK), -EOVERFLOW);
	/* The last slab would lie on the last copy. */
	memcpy(last, first, KFC_PAGE);
	first->epoch = 5;
	first->slabs_at = 1024;
	first->nr_slabs = 12;
	sign(first);
	assert_int_equal(reload(k, KFC_FORMAT_ASK), -EOVERFLOW);
	memcpy(last, first, KFC_PAGE);
	assert_int_equal(reload(k, KFC_FORMAT_ASK), -EMEDIUMTYPE);
	k->dev.pages = 2;
	assert_int_equal(reload(k, KFC_FORMAT_FORCE), -ENOSPC);
	k->dev.pages = 0;
	assert_int_equal(reload(k, KFC_FORMAT_FORCE), -ENOSPC);
	assert_int_equal(k->writes, 0);
	disk_free(k);
}

/* Every I/O and every allocation fails once; nothing leaks. */
static void test_failures(void **state)
{
	enum kfc_format format;
	u32 n;

	for (format = KFC_FORMAT_ASK; format <= KFC_FORMAT_NEW; format++) {
		struct disk *k;
		int err = -EIO;

		for (n = 1; err; n++) {
			k = disk_new(16 * MIB);
			if (format == KFC_FORMAT_NEW)
				assert_int_equal(reload(k, 0), 0);
			k->ios = 0;
			k->fails_at = n;
			err = reload(k, format);
			assert_true(!err || err == -EIO);
			assert_true(!err || lines == 1);
			k->fails_at = 0;
			/* Half formatted is ours or blank, never in the way. */
			assert_int_equal(reload(k, 0), 0);
			disk_free(k);
			assert_true(n < 50);
		}
		/* It stays blank until there is enough memory. */
		k = disk_new(16 * MIB);
		err = -ENOMEM;
		for (n = 1; err; n++) {
			shim_fail_alloc = n;
			err = reload(k, format);
			shim_fail_alloc = 0;
			assert_true(!err || err == -ENOMEM);
			assert_true(!err || !k->writes);
			assert_true(n < 5000);
		}
		disk_free(k);
	}
}

static void test_plan(void **state)
{
	struct kfc_dev d = { .name = "disk" }, *devs[] = { &d };
	struct kfc_config cfg = {};
	u32 slab, i;

	for (slab = 1; slab <= 64; slab *= 2) {
		for (i = 0; i < 20000; i++) {
			u64 least, end;
			int err;

			cfg.slab_bytes = slab << 20;
			cfg.index_auto = i % 2;
			d.pages = 3 + rand() % (i % 3 ? 1 << 20 : 1 << 28);
			cfg.index_bytes = cfg.index_auto ?
				kfc_super_index_auto(d.pages * KFC_PAGE) :
				(1 + rand() % 300) * MIB;
			err = kfc_super_plan(&cfg, devs, 1, &geo);
			least = kfc_super_least(&cfg, 0);
			assert_int_equal(err, d.pages < least * 256 ? err : 0);
			if (!(i % 50)) {
				d.pages = (least - 1) * 256;
				if (cfg.index_auto)
					cfg.index_bytes = kfc_super_index_auto(d.pages *
									       KFC_PAGE);
				assert_int_equal(kfc_super_plan(&cfg, devs, 1, &geo),
						 -ENOSPC);
			}
			if (err)
				continue;
			end = geo.place[0].slabs_at + geo.nr_slabs * (u64)slab * 256;
			assert_true(geo.nr_slabs >= KFC_SLABS_MIN);
			assert_true(geo.index_at + geo.index_pages <=
				    geo.place[0].slabs_at);
			assert_true(geo.place[0].slabs_at % 256 == 0);
			assert_true(end < d.pages || i % 50 == 0);
		}
	}
}

static void test_foreign(void **state)
{
	struct disk *k = disk_new(4 * MIB);
	u32 i, n;

	srand(7);
	for (i = 0; i < 500; i++) {
		u64 pages = i % 4 ? 1024 : 3 + rand() % 300;
		struct kfc_ends e = {
			.head = k->mem,
			.len = min_t(u64, pages, 256) * KFC_PAGE,
		};
		char buf[128];

		e.tail = k->mem + pages * KFC_PAGE - e.len;
		memset(k->mem, 0, 4 * MIB);
		assert_true(kfc_ends_blank(&e));
		for (n = rand() % 3; n < 3; n++)
			k->mem[rand() % (pages * KFC_PAGE)] = 1 + rand() % 255;
		if (kfc_ends_blank(&e))
			continue;
		kfc_foreign_name(&e, buf, sizeof(buf));
		assert_true(strlen(buf) > 5 && strlen(buf) < sizeof(buf) - 1);
	}
	disk_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_crash),
		cmocka_unit_test(test_bad_one_first),
		cmocka_unit_test(test_one_page_bad),
		cmocka_unit_test(test_taken_behind),
		cmocka_unit_test(test_taken_over),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_another_device),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_foreign),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
