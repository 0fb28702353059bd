// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Appending: reserve a place at a head, fill it, commit it or give it up.
 */
#include <linux/mm.h>
#include <linux/smp.h>

#include "kfc.h"
#include "memtier.h"
#include "observe.h"

/**
 * kfc_log_max_value() - the longest value that fits a slab
 * @l: the log
 * @klen: length of its key
 *
 * Return: bytes
 */
u32 kfc_log_max_value(const struct kfc_log *l, u32 klen)
{
	u32 room = (l->slab_pages - 1) * KFC_PAGE_DATA -
		   kfc_rec_head(klen, KFC_REC_CAS);

	return min_t(u32, room, KFC_VLEN_MAX);
}

/**
 * kfc_log_summary() - a page of the summary in a slab's buffer
 * @l: the log
 * @b: the buffer
 * @nr: number of the summary page
 *
 * Return: the page
 */
struct kfc_sum_page *kfc_log_summary(struct kfc_log *l, struct kfc_buf *b,
				     u32 nr)
{
	return page_address(b->pages[l->slab_pages - 1 - nr]);
}

static struct kfc_buf *own_buf(struct kfc_slab *s)
{
	/* A reservation keeps the slab OPEN, and an OPEN slab its buffer. */
	return rcu_dereference_protected(s->buf, 1);
}

static struct kfc_sum_entry *sum_entry(struct kfc_log *l, struct kfc_slab *s,
				       u32 nr)
{
	struct kfc_sum_page *sp;

	sp = kfc_log_summary(l, own_buf(s), nr / KFC_SUM_ENTRIES);
	return &sp->e[nr % KFC_SUM_ENTRIES];
}

static void set_first(struct kfc_buf *b, u32 slab_off)
{
	struct kfc_page_hdr *h = page_address(b->pages[slab_off / KFC_PAGE]);

	WRITE_ONCE(h->first, cpu_to_le16(slab_off % KFC_PAGE));
}

static void set_meta(struct kfc_rec_hdr *h, const struct kfc_rsv *r,
		     enum kfc_rec_state state)
{
	u32 meta = (r->tag & KFC_REC_TAG) << 8 | r->attr.marks | state;

	/* Pairs with the acquire in kfc_page_search(). */
	smp_store_release(&h->meta, cpu_to_le32(meta));
}

static bool reserve_in(struct kfc_log *l, struct kfc_slab *s,
		       struct kfc_rsv *r)
{
	struct kfc_buf *b = own_buf(s);
	struct kfc_rec_hdr *h;
	u32 end, sum_pages = 0;

	if (kfc_slab_sums(l, s))
		sum_pages = s->nr_recs / KFC_SUM_ENTRIES + 1;
	end = kfc_rec_place(s->end, r->head, r->vlen, &r->slab_off);
	if (end > (l->slab_pages - sum_pages) * KFC_PAGE)
		return false;
	r->slab = s;
	r->pages = &b->pages[r->slab_off / KFC_PAGE];
	r->off = r->slab_off % KFC_PAGE;
	r->nr = s->nr_recs;
	WRITE_ONCE(s->nr_recs, r->nr + 1);
	WRITE_ONCE(s->end, end);
	atomic_inc(&s->holds);
	/*
	 * The chain of records in a page must be whole as soon as anything
	 * behind this record can be published, so the lengths are set here.
	 */
	h = page_address(r->pages[0]) + r->off;
	set_meta(h, r, KFC_REC_RESERVED);
	/* Pairs with the acquire in kfc_page_search(). */
	smp_store_release(&h->lens, cpu_to_le32(r->vlen << 8 | r->klen));
	if (r->off == KFC_PAGE_HDR)
		set_first(b, r->slab_off);
	if (end / KFC_PAGE != r->slab_off / KFC_PAGE && end % KFC_PAGE)
		set_first(b, end);
	return true;
}

static enum kfc_head_kind head_kind(struct kfc_cache *c,
				    const struct kfc_key *key,
				    const struct kfc_attr *attr)
{
	if (attr->home)
		return KFC_HEAD_COPIES;
	return attr->kept || kfc_tier_keeps(c, key) ? KFC_HEAD_KEPT :
						      KFC_HEAD_NEW;
}

static void put_ext(struct kfc_rsv *r, u32 at, u64 value)
{
	__le64 v = cpu_to_le64(value);

	kfc_rec_copy_in(r->pages, r->off, at, &v, sizeof(v));
}

/**
 * kfc_log_reserve() - get a place for a record
 * @c: the cache
 * @key: its key, copied into the place
 * @vlen: length of the value, at most kfc_log_max_value()
 * @tag: of the key in the index
 * @attr: what else the record is to have, copied
 * @r: filled in
 *
 * Context: any that may take a spinlock; does not sleep. The caller fills the
 * value (kfc_rec_copy_in() from r->head on) without waiting for
 * anybody and ends with kfc_log_commit() or kfc_log_abort().
 * Return: 0, or -EAGAIN when no slab is ready; c->space is called once one is
 */
int kfc_log_reserve(struct kfc_cache *c, const struct kfc_key *key, u32 vlen,
		    u32 tag, const struct kfc_attr *attr, struct kfc_rsv *r)
{
	struct kfc_log *l = &c->log;
	enum kfc_head_kind kind = head_kind(c, key, attr);
	struct kfc_slab *full = NULL;
	struct kfc_head *h;
	int err = 0;

	h = kind ? kfc_log_head(l, kind) :
		   &l->heads[raw_smp_processor_id() % l->nr_heads];
	r->klen = key->len;
	r->attr = *attr;
	if (attr->home)
		r->attr.marks |= KFC_REC_HOME;
	r->head = kfc_rec_head(key->len, r->attr.marks);
	r->vlen = vlen;
	r->tag = tag;
	spin_lock(&h->lock);
	if (!h->slab || kfc_rare("seal_early") || !reserve_in(l, h->slab, r)) {
		struct kfc_slab *s = kfc_slab_open(c, kind, attr->kept);

		/* Without a successor the head stays: less may still fit. */
		if (s) {
			full = h->slab;
			h->slab = s;
			if (WARN_ON_ONCE(!reserve_in(l, s, r)))
				err = -EAGAIN;
		} else {
			err = -EAGAIN;
		}
	}
	spin_unlock(&h->lock);
	if (full)
		kfc_slab_put_hold(c, full);
	if (err)
		return err;
	kfc_rec_copy_in(r->pages, r->off, KFC_REC_HDR, key->p, key->len);
	if (attr->marks & KFC_REC_CAS)
		put_ext(r, KFC_REC_HDR + key->len, attr->cas);
	if (attr->home)
		put_ext(r, r->head - KFC_REC_EXT, attr->home);
	return 0;
}

/**
 * kfc_log_page() - the page number that a slot for a reservation carries
 * @l: the log
 * @r: the reservation
 *
 * Return: pages from the start of slab 0
 */
u64 kfc_log_page(const struct kfc_log *l, const struct kfc_rsv *r)
{
	return (u64)(r->slab - l->slabs) * l->slab_pages +
	       r->slab_off / KFC_PAGE;
}

static void seal_record(struct kfc_log *l, struct kfc_rsv *r, u64 hash,
			u64 order, u32 exptime, enum kfc_rec_state state)
{
	struct kfc_rec_hdr *h = page_address(r->pages[0]) + r->off;

	h->order = cpu_to_le64(order);
	if (kfc_slab_sums(l, r->slab)) {
		struct kfc_sum_entry *e = sum_entry(l, r->slab, r->nr);

		e->hash = cpu_to_le64(hash);
		e->order = cpu_to_le64(order);
		e->off = cpu_to_le32(r->slab_off);
		e->exptime = cpu_to_le32(exptime);
	}
	set_meta(h, r, state);
}

/**
 * kfc_log_commit() - make a filled reservation a record
 * @c: the cache
 * @r: the reservation
 * @hash: of the key
 * @order: drawn under the same hold of the lock
 *
 * Context: the lock of the key's group is held; the caller publishes the slot
 * under it and calls kfc_slab_put_hold() after it let go.
 */
void kfc_log_commit(struct kfc_cache *c, struct kfc_rsv *r, u64 hash,
		    u64 order)
{
	struct kfc_rec_hdr *h = page_address(r->pages[0]) + r->off;
	s64 max = atomic64_read(&r->slab->max_order);

	while ((u64)max < order &&
	       !atomic64_try_cmpxchg(&r->slab->max_order, &max, order))
		;
	h->flags = cpu_to_le32(r->attr.flags);
	h->exptime = cpu_to_le32(r->attr.exptime);
	h->time = cpu_to_le32(r->attr.time ?: kfc_now(c));
	seal_record(&c->log, r, hash, order, r->attr.exptime, KFC_REC_LIVE);
	kfc_expire_note(r->slab, r->attr.exptime);
}

/**
 * kfc_log_abort() - give a reservation up
 * @c: the cache
 * @r: the reservation; its place is lost until the slab is reclaimed
 *
 * Context: any that may take a spinlock.
 */
void kfc_log_abort(struct kfc_cache *c, struct kfc_rsv *r)
{
	seal_record(&c->log, r, 0, 0, 0, KFC_REC_DEAD);
	kfc_slab_put_hold(c, r->slab);
}
