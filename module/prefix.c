// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * stats detail: gets, hits, sets and deletes by the part of a key before its
 * first ':'.
 *
 * Off until a client asks for it. As many prefixes are told apart as the table
 * has room for; what comes later is counted as the last one, "...", so that
 * clients can't make the kernel grow.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "../libmp/mp.h"
#include "kfc.h"
#include "prefix.h"

#define KFC_PREFIXES	1024
#define KFC_PREFIX_LEN	47
/* Lines that one call prints. */
#define KFC_PREFIX_PART	32

/**
 * struct kfc_prefix - what is known of one prefix
 * @name: NUL-terminated, one that is longer is cut
 * @get: keys asked for
 * @hit: of those, found
 * @set: storage commands
 * @del: deletes
 */
struct kfc_prefix {
	char name[KFC_PREFIX_LEN + 1];
	u64 get;
	u64 hit;
	u64 set;
	u64 del;
};

/**
 * struct kfc_prefixes - all of them
 * @on: they are counted; READ_ONCE
 * @lock: the rest
 * @nr: entries of @table in use
 * @table: open addressing on the name's hash; the last entry is "..."
 */
struct kfc_prefixes {
	bool on;
	spinlock_t lock;	/* see above */
	u32 nr;
	struct kfc_prefix table[KFC_PREFIXES + 1];
};

/**
 * kfc_prefix_init() - make the table
 * @c: the cache, its hash key known
 *
 * Context: may sleep. Return: 0 or -ENOMEM
 */
int kfc_prefix_init(struct kfc_cache *c)
{
	struct kfc_prefixes *ps;

	ps = kvzalloc(sizeof(*ps), GFP_KERNEL);
	if (!ps)
		return -ENOMEM;
	spin_lock_init(&ps->lock);
	c->prefixes = ps;
	return 0;
}

/**
 * kfc_prefix_exit() - the opposite; no client is left
 * @c: the cache
 *
 * Context: may sleep.
 */
void kfc_prefix_exit(struct kfc_cache *c)
{
	kvfree(c->prefixes);
	c->prefixes = NULL;
}

/**
 * kfc_prefix_enable() - count, or don't
 * @c: the cache
 * @on: which; what was counted stays
 *
 * Any context.
 */
void kfc_prefix_enable(struct kfc_cache *c, bool on)
{
	WRITE_ONCE(c->prefixes->on, on);
}

/**
 * kfc_prefix_enabled() - whether prefixes are counted
 * @c: the cache
 *
 * Any context.
 */
bool kfc_prefix_enabled(const struct kfc_cache *c)
{
	return READ_ONCE(c->prefixes->on);
}

/**
 * kfc_prefix_clear() - forget all prefixes
 * @c: the cache
 *
 * Context: takes a spinlock.
 */
void kfc_prefix_clear(struct kfc_cache *c)
{
	struct kfc_prefixes *ps = c->prefixes;

	spin_lock(&ps->lock);
	memset(ps->table, 0, sizeof(ps->table));
	ps->nr = 0;
	spin_unlock(&ps->lock);
}

static struct kfc_prefix *find(struct kfc_cache *c, const u8 *key, u32 len)
{
	struct kfc_prefixes *ps = c->prefixes;
	struct kfc_prefix *p;
	u32 i;

	i = siphash(key, len, &c->hkey) % KFC_PREFIXES;
	for (;; i = (i + 1) % KFC_PREFIXES) {
		p = &ps->table[i];
		if (!p->name[0])
			break;
		if (!strncmp(p->name, (const char *)key, len) && !p->name[len])
			return p;
	}
	/* Some stay empty, so that every search ends. */
	if (ps->nr >= KFC_PREFIXES * 3 / 4) {
		p = &ps->table[KFC_PREFIXES];
		memcpy(p->name, "...", 4);
		return p;
	}
	ps->nr++;
	memcpy(p->name, key, len);
	return p;
}

/**
 * kfc_prefix_count() - count a command, if it is one that reads, stores or
 * deletes
 * @c: the cache
 * @req: the request
 * @hit: one that reads has found its object
 *
 * As memcached does, keys without a ':' are not counted. Context: takes a
 * spinlock.
 */
void kfc_prefix_count(struct kfc_cache *c, const struct mp_req *req, bool hit)
{
	struct kfc_prefixes *ps = c->prefixes;
	const u8 *end;
	struct kfc_prefix *p;
	u32 len;

	if (likely(!READ_ONCE(ps->on)))
		return;
	end = memchr(req->key, ':', req->klen);
	if (!end || end == req->key || memchr(req->key, 0, end - req->key))
		return;
	len = min_t(u32, end - req->key, KFC_PREFIX_LEN);
	spin_lock(&ps->lock);
	p = find(c, req->key, len);
	p->set += mp_has_value(req);
	p->del += req->op == MP_DELETE || req->op == MP_META_DELETE;
	if (req->op <= MP_GATS || req->op == MP_META_GET) {
		p->get++;
		p->hit += hit;
	}
	spin_unlock(&ps->lock);
}

/**
 * kfc_prefix_print() - stats detail dump, a part of it
 * @c: the cache
 * @cursor: where the last part ended, 0 at first
 * @e: gets name and counts
 *
 * Context: takes a spinlock. Return: whether there is more
 */
bool kfc_prefix_print(struct kfc_cache *c, unsigned long *cursor,
		      struct kfc_emit *e)
{
	struct kfc_prefixes *ps = c->prefixes;
	int n = 0;

	while (*cursor <= KFC_PREFIXES && n < KFC_PREFIX_PART) {
		struct kfc_prefix p;
		char line[100];

		spin_lock(&ps->lock);
		p = ps->table[(*cursor)++];
		spin_unlock(&ps->lock);
		if (!p.name[0])
			continue;
		snprintf(line, sizeof(line),
			 "get %llu hit %llu set %llu del %llu", p.get, p.hit,
			 p.set, p.del);
		e->line(e, p.name, line);
		n++;
	}
	return *cursor <= KFC_PREFIXES;
}
