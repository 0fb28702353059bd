// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The slab table and the buffers: what there is, and who holds it.
 */
#include <linux/bitops.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "kfc.h"

#define KFC_BUF_GFP (GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN | __GFP_ZERO)

static void buf_free(struct kfc_log *l, struct kfc_buf *b)
{
	u32 i;

	for (i = 0; i < l->slab_pages; i++)
		if (b->pages[i])
			put_page(b->pages[i]);
	kvfree(b);
}

static struct kfc_buf *buf_alloc(struct kfc_log *l)
{
	struct kfc_buf *b;
	u32 i;

	b = kvzalloc(struct_size(b, pages, l->slab_pages), GFP_KERNEL);
	if (!b)
		return NULL;
	for (i = 0; i < l->slab_pages; i++) {
		b->pages[i] = alloc_page(KFC_BUF_GFP);
		if (!b->pages[i])
			goto free;
	}
	return b;
free:
	buf_free(l, b);
	return NULL;
}

/**
 * kfc_log_bound() - the most memory that a log takes
 * @cfg: the parameters
 * @nr_slabs: slabs of the devices
 * @nr_devs: how many devices, 0 without one
 *
 * Return: bytes, pages lent to sockets and replaced ones included
 */
u64 kfc_log_bound(const struct kfc_config *cfg, u64 nr_slabs, u32 nr_devs)
{
	u64 bytes = READ_ONCE(cfg->memory_bytes);
	u64 bufs = div_u64(bytes, cfg->slab_bytes);
	u64 most = bufs * KFC_LOG_GROWTH;
	u64 slab_pages = cfg->slab_bytes / KFC_PAGE;

	return bufs * cfg->slab_bytes + bytes / 4 +
	       KFC_PAGE + (u64)nr_devs * kfc_carry_max(cfg) *
	       (KFC_PAGE + sizeof(void *)) +
	       most * slab_pages * sizeof(void *) * 5 / 4 +
	       (nr_slabs + most) * sizeof(struct kfc_slab) +
	       kfc_expire_bound(nr_slabs ?: most) +
	       (KFC_MAX_HEADS + KFC_HEAD_KINDS - 1) * sizeof(struct kfc_head);
}

static void init_lists(struct kfc_log *l)
{
	spin_lock_init(&l->lock);
	INIT_LIST_HEAD(&l->free);
	INIT_LIST_HEAD(&l->ready);
	INIT_LIST_HEAD(&l->sealed);
	INIT_LIST_HEAD(&l->stored);
	INIT_LIST_HEAD(&l->resident[0]);
	INIT_LIST_HEAD(&l->resident[1]);
	INIT_LIST_HEAD(&l->copy_free);
	INIT_LIST_HEAD(&l->copy_ready);
	INIT_LIST_HEAD(&l->copies);
	INIT_LIST_HEAD(&l->drain);
	INIT_LIST_HEAD(&l->held);
	INIT_LIST_HEAD(&l->bufs);
	INIT_LIST_HEAD(&l->dirty);
	init_waitqueue_head(&l->wait);
}

/* Pages that sockets may hold while their buffers are in use again. */
static u32 max_orphans(const struct kfc_log *l, u32 bufs)
{
	return (u64)bufs * l->slab_pages / 4;
}

/**
 * kfc_buf_add() - one buffer more
 * @l: the log; nr_bufs is below max_bufs
 *
 * Context: the writer thread, or before it runs; sleeps. Return: 0 or -ENOMEM
 */
int kfc_buf_add(struct kfc_log *l)
{
	struct kfc_buf *b = buf_alloc(l);

	if (!b)
		return -ENOMEM;
	spin_lock(&l->lock);
	list_add_tail(&b->list, &l->bufs);
	spin_unlock(&l->lock);
	WRITE_ONCE(l->nr_bufs, l->nr_bufs + 1);
	WRITE_ONCE(l->max_orphans, max_orphans(l, l->nr_bufs));
	return 0;
}

/**
 * kfc_buf_remove() - one buffer less
 * @l: the log
 * @b: the buffer, on a list and nobody's; pages that it does not have any more
 *	are NULL
 *
 * Context: the writer thread.
 */
void kfc_buf_remove(struct kfc_log *l, struct kfc_buf *b)
{
	spin_lock(&l->lock);
	list_del(&b->list);
	spin_unlock(&l->lock);
	buf_free(l, b);
	WRITE_ONCE(l->nr_bufs, l->nr_bufs - 1);
	WRITE_ONCE(l->max_orphans, max_orphans(l, l->nr_bufs));
}

/**
 * kfc_log_resize() - have more or fewer buffers from now on
 * @c: the cache, its log started
 * @bytes: of all of them, as memory_mb says it from now on
 *
 * What pressure took before is forgotten. Context: any that may take a spinlock.
 * Return: 0, or -EINVAL where that is too few or too many
 */
int kfc_log_resize(struct kfc_cache *c, u64 bytes)
{
	struct kfc_log *l = &c->log;
	u64 n = div_u64(bytes, l->geo.slab_bytes);

	if (n < kfc_log_least(l) || n > l->max_bufs)
		return -EINVAL;
	spin_lock(&l->lock);
	WRITE_ONCE(l->want_bufs, n);
	WRITE_ONCE(l->given_bufs, 0);
	WRITE_ONCE(c->cfg.memory_bytes, bytes);
	spin_unlock(&l->lock);
	kfc_log_kick(l);
	return 0;
}

/* Slabs go to the devices in turn, as long as each has room for one. */
static void deal_slabs(struct kfc_log *l)
{
	u32 dealt[KFC_DEVICES_MAX] = {}, nr = 0, i;

	for (i = 0; i < l->geo.nr_slabs; i++, nr++) {
		nr %= l->nr_members;
		while (dealt[nr] == l->members[nr].nr_slabs)
			nr = (nr + 1) % l->nr_members;
		l->slabs[i].dev = nr;
		l->slabs[i].home = dealt[nr]++;
	}
}

/**
 * kfc_log_init() - make an empty log
 * @c: the cache; its configuration is complete
 * @geo: where things lie on the devices; nr_slabs is 0 without any
 * @first_seq: sequence of the first slab, above that of every earlier load
 *
 * Context: may sleep. Return: 0, or -ENOMEM with nothing left behind.
 */
int kfc_log_init(struct kfc_cache *c, const struct kfc_geometry *geo,
		 u64 first_seq)
{
	struct kfc_log *l = &c->log;
	u32 i;

	init_lists(l);
	l->geo = *geo;
	l->slab_pages = geo->slab_bytes / KFC_PAGE;
	l->want_bufs = div_u64(c->cfg.memory_bytes, geo->slab_bytes);
	l->max_bufs = l->want_bufs * KFC_LOG_GROWTH;
	if (!c->nr_devs)
		l->max_bufs = min_t(u64, l->max_bufs,
				    div_u64(KFC_SLOT_PAGE + 1, l->slab_pages));
	l->nr_slabs = geo->nr_slabs ?: l->max_bufs;
	l->next_seq = first_seq;
	l->salt = c->hkey.key[0];
	/* Without a device an open slab is memory that nothing is in yet. */
	l->nr_heads = clamp_t(u32, l->want_bufs /
			      (c->nr_devs ? 8 * c->nr_devs : 64), 1,
			      min_t(u32, c->cfg.threads, KFC_MAX_HEADS));
	l->nr_all = l->nr_slabs;
	if (c->nr_devs)
		l->nr_all += min_t(u64, l->max_bufs,
				   div_u64(KFC_SLOT_PAGE + 1, l->slab_pages) -
				   l->nr_slabs);
	l->slabs = __vmalloc(array_size(l->nr_all, sizeof(*l->slabs)),
			     KFC_BUF_GFP);
	l->heads = kvcalloc(kfc_log_heads(l), sizeof(*l->heads), GFP_KERNEL);
	l->orphans = __vmalloc(array_size(max_orphans(l, l->max_bufs),
					  sizeof(*l->orphans)), KFC_BUF_GFP);
	l->scratch = alloc_page(GFP_KERNEL);
	if (!l->slabs || !l->heads || !l->orphans || !l->scratch ||
	    kfc_expire_init(l))
		goto nomem;
	if (kfc_members_init(c))
		goto nomem;
	deal_slabs(l);
	for (i = 0; i < kfc_log_heads(l); i++)
		spin_lock_init(&l->heads[i].lock);
	for (i = 0; i < l->nr_all; i++) {
		INIT_LIST_HEAD(&l->slabs[i].resident);
		list_add_tail(&l->slabs[i].list,
			      i < l->nr_slabs ? &l->free : &l->copy_free);
	}
	l->nr_free = l->nr_slabs;
	while (l->nr_bufs < l->want_bufs)
		if (kfc_buf_add(l))
			goto nomem;
	return 0;
nomem:
	kfc_log_exit(c);
	return -ENOMEM;
}

/**
 * kfc_log_exit() - free a log
 * @c: the cache; the writer thread has ended and nobody uses the log
 *
 * Context: may sleep.
 */
void kfc_log_exit(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	struct kfc_buf *b, *next;
	u32 i;

	for (i = 0; l->slabs && i < l->nr_all; i++) {
		b = rcu_dereference_protected(l->slabs[i].buf, 1);
		if (b)
			buf_free(l, b);
	}
	list_splice_init(&l->dirty, &l->bufs);
	list_for_each_entry_safe(b, next, &l->bufs, list)
		buf_free(l, b);
	INIT_LIST_HEAD(&l->bufs);
	while (l->nr_orphans)
		put_page(l->orphans[--l->nr_orphans]);
	kfc_expire_exit(l);
	kfc_members_exit(l);
	if (l->scratch)
		put_page(l->scratch);
	l->scratch = NULL;
	vfree(l->orphans);
	kvfree(l->heads);
	vfree(l->slabs);
	l->orphans = NULL;
	l->heads = NULL;
	l->slabs = NULL;
}

/**
 * kfc_log_kick() - let the writer thread look for work
 * @l: the log
 *
 * Any context.
 */
void kfc_log_kick(struct kfc_log *l)
{
	/* Who finds it set finds what there is to do. */
	smp_store_release(&l->kicked, true);
	wake_up(&l->wait);
}

/**
 * kfc_slab_open() - take a READY slab for a head
 * @c: the cache
 * @kind: the head's
 * @last: the last one, too: it is left for what reclaim carries forward
 *
 * Context: the head's lock is held. Return: the slab, OPEN and held once, or
 * NULL when none is ready; the writer is told
 */
struct kfc_slab *kfc_slab_open(struct kfc_cache *c, enum kfc_head_kind kind,
			       bool last)
{
	bool copies = kind == KFC_HEAD_COPIES;
	struct kfc_log *l = &c->log;
	struct kfc_slab *s = NULL;

	spin_lock(&l->lock);
	if (copies)
		s = list_first_entry_or_null(&l->copy_ready, struct kfc_slab,
					     list);
	else if (last || l->nr_ready > kfc_carry_reserve(c))
		s = list_first_entry_or_null(&l->ready, struct kfc_slab, list);
	if (s) {
		list_del_init(&s->list);
		WRITE_ONCE(l->nr_ready, l->nr_ready - !copies);
		WRITE_ONCE(s->kept, kind != KFC_HEAD_NEW);
		WRITE_ONCE(s->write_failed, false);
		WRITE_ONCE(l->nr_new, l->nr_new + !s->kept);
		WRITE_ONCE(s->opened, kfc_now(c));
		WRITE_ONCE(s->nr_recs, 0);
		WRITE_ONCE(s->end, 0);
		atomic64_set(&s->max_order, 0);
		atomic_set(&s->holds, 1);
		kfc_expire_open(s, atomic64_read(&c->order));
		WRITE_ONCE(s->seq, l->next_seq++);
		/* Pairs with the acquire in kfc_slab_lives(). */
		smp_store_release(&s->state, KFC_SLAB_OPEN);
	} else if (!last && !copies) {
		l->starved = true;
	}
	spin_unlock(&l->lock);
	kfc_log_kick(l);
	return s;
}

/**
 * kfc_slab_put_hold() - a reservation has ended, or a head has left
 * @c: the cache
 * @s: the slab; the last one seals it
 *
 * Context: any that may take a spinlock.
 */
void kfc_slab_put_hold(struct kfc_cache *c, struct kfc_slab *s)
{
	struct kfc_log *l = &c->log;

	if (!atomic_dec_and_test(&s->holds))
		return;
	spin_lock(&l->lock);
	WRITE_ONCE(s->state, KFC_SLAB_SEALED);
	list_add_tail(&s->list, &l->sealed);
	spin_unlock(&l->lock);
	kfc_log_kick(l);
}

/**
 * kfc_log_info() - gauges of the store
 * @c: the cache
 * @info: filled in
 *
 * Context: any; walks the slab table without a lock, so the sums are those of
 * no single instant while the cache is busy.
 */
void kfc_log_info(struct kfc_cache *c, struct kfc_log_info *info)
{
	struct kfc_log *l = &c->log;
	u64 slabs;
	u32 i;

	memset(info, 0, sizeof(*info));
	info->oldest = kfc_now(c);
	for (i = 0; i < l->nr_slabs; i++) {
		struct kfc_slab *s = &l->slabs[i];
		u32 live = atomic_read(&s->live), recs = READ_ONCE(s->nr_recs);
		u64 used = 0, since;

		if (live)
			used = div_u64((u64)READ_ONCE(s->end) * live,
				       max(recs, live));
		info->items += live;
		/* Of what came back from an earlier load no more is known. */
		since = READ_ONCE(s->opened) ?: c->loaded_at;
		if (live)
			info->oldest = min(info->oldest, since);
		if (rcu_access_pointer(s->buf))
			info->mem_bytes += used;
		if (c->nr_devs && READ_ONCE(s->state) == KFC_SLAB_STORED) {
			info->dev_bytes_used += used;
			info->dev_items += live;
			info->dev_slabs++;
		}
	}
	for (; i < l->nr_all; i++) {
		struct kfc_slab *s = &l->slabs[i];
		u32 live = atomic_read(&s->live), recs = READ_ONCE(s->nr_recs);

		info->copies += live;
		if (live)
			info->copy_bytes += div_u64((u64)READ_ONCE(s->end) *
						    live, max(recs, live));
	}
	info->mem_bytes += info->copy_bytes;
	info->mem_limit = (u64)READ_ONCE(l->want_bufs) * l->geo.slab_bytes;
	info->mem_given = (u64)READ_ONCE(l->given_bufs) * l->geo.slab_bytes;
	info->mem_held = (u64)READ_ONCE(l->nr_bufs) * l->geo.slab_bytes +
			 (u64)READ_ONCE(l->nr_orphans) * KFC_PAGE;
	slabs = l->nr_slabs - READ_ONCE(l->nr_out);
	info->dev_limit = c->nr_devs ? slabs * l->geo.slab_bytes : 0;
	info->slabs_used = slabs - READ_ONCE(l->nr_free) -
			   READ_ONCE(l->nr_ready);
	/* Without a device there are more slabs than may have memory. */
	info->slabs_total = c->nr_devs ? slabs : READ_ONCE(l->want_bufs);
	info->slabs_free = max(info->slabs_total, info->slabs_used) -
			   info->slabs_used;
	info->index_slots = kfc_index_slots(&c->index);
	info->index_most = kfc_index_most(&c->index);
	info->index_used = info->items;
	info->index_bytes = READ_ONCE(c->index.bytes);
	info->index_level = kfc_index_level(&c->index);
	info->index_growths = READ_ONCE(c->index.growths);
	info->index_put_off = READ_ONCE(c->index.put_off);
	info->io_queue = atomic_read(&c->reads);
	info->devs_failed = hweight32(kfc_log_lost(l));
}
