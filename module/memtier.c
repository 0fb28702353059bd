// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Which objects memory is for, where it is the whole store: S3-FIFO (Yang et
 * al., SOSP 2023) over slabs.
 *
 * What is new goes to slabs that have a tenth of the memory between them. Where
 * it was not used by the time these make room it is gone but for a fingerprint,
 * so that a scan passes through that tenth; what was used is carried forward
 * to the other slabs, and in these again and again as long as it is used in
 * between. A set whose key's fingerprint is still there, or whose older record
 * lies there, goes there at once.
 */
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "kfc.h"
#include "memtier.h"

/* Of all slabs, in per cent, what is new may have so many. */
#define KFC_NEW_PCT	10
/* Bytes of the index for one of fingerprints. */
#define KFC_GHOST_SHARE	8
/* Fingerprints in a bucket of 64 bits, the latest lowest. */
#define KFC_GHOST_BITS	16

/**
 * kfc_ghost_bytes() - memory for fingerprints
 * @cfg: the parameters
 *
 * Return: bytes; about as many fingerprints as there may be objects
 */
u64 kfc_ghost_bytes(const struct kfc_config *cfg)
{
	return max_t(u64, cfg->index_bytes / KFC_GHOST_SHARE, KFC_PAGE);
}

/**
 * kfc_ghost_init() - forget nothing so far
 * @c: the cache, without a device
 *
 * Context: may sleep. Return: 0 or -ENOMEM
 */
int kfc_ghost_init(struct kfc_cache *c)
{
	u64 bytes = kfc_ghost_bytes(&c->cfg);

	c->ghost.buckets = __vmalloc(bytes, GFP_KERNEL | __GFP_NORETRY |
				     __GFP_NOWARN | __GFP_ZERO);
	c->ghost.nr = bytes / sizeof(u64);
	return c->ghost.buckets ? 0 : -ENOMEM;
}

/**
 * kfc_ghost_exit() - free what kfc_ghost_init() made
 * @c: the cache; nobody uses it any more
 *
 * Context: may sleep.
 */
void kfc_ghost_exit(struct kfc_cache *c)
{
	vfree(c->ghost.buckets);
	c->ghost.buckets = NULL;
}

static u64 *bucket(const struct kfc_ghost *g, u64 hash)
{
	return &g->buckets[mul_u64_u64_shr(hash, g->nr, 64)];
}

/* 0 is for none. */
static u16 fingerprint(u64 hash)
{
	return (u16)hash ?: 1;
}

/**
 * kfc_ghost_add() - remember a key whose object was evicted unused
 * @c: the cache
 * @hash: of the key
 *
 * Context: the writer thread alone.
 */
void kfc_ghost_add(struct kfc_cache *c, u64 hash)
{
	u64 *b;

	if (!c->ghost.buckets)
		return;
	b = bucket(&c->ghost, hash);
	WRITE_ONCE(*b, READ_ONCE(*b) << KFC_GHOST_BITS | fingerprint(hash));
}

static bool remembered(struct kfc_cache *c, u64 hash)
{
	u64 v;

	if (!c->ghost.buckets)
		return false;
	for (v = READ_ONCE(*bucket(&c->ghost, hash)); v; v >>= KFC_GHOST_BITS)
		if ((u16)v == fingerprint(hash))
			return true;
	return false;
}

/**
 * kfc_tier_keeps() - does a new record belong with what is kept?
 * @c: the cache
 * @key: its key
 *
 * Any context.
 */
bool kfc_tier_keeps(struct kfc_cache *c, const struct kfc_key *key)
{
	struct kfc_ipos pos;
	u64 *unused, v;

	if (c->nr_devs || !READ_ONCE(c->cfg.reinsert_pct))
		return false;
	if (remembered(c, key->hash))
		return true;
	kfc_index_locate(&c->index, key->hash, &pos);
	rcu_read_lock();
	v = kfc_index_look(&c->index, &pos, &unused);
	rcu_read_unlock();
	return v && READ_ONCE(kfc_slab_of(&c->log, v)->kept);
}

/**
 * kfc_tier_victim() - the slab in memory that is to make room
 * @c: the cache, without a device or with one that has failed
 *
 * Context: the writer thread. Return: the slab, NULL for none
 */
struct kfc_slab *kfc_tier_victim(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	struct kfc_slab *new, *kept;

	new = list_first_entry_or_null(&l->resident[0], struct kfc_slab,
				       resident);
	kept = list_first_entry_or_null(&l->resident[1], struct kfc_slab,
					resident);
	if (!new || !kept)
		return new ?: kept;
	return READ_ONCE(l->nr_new) * 100 > l->nr_bufs * KFC_NEW_PCT ? new :
								       kept;
}
