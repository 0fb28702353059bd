// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A walk over all objects, in small steps that hold nothing in between.
 *
 * Slab by slab, from the newest downwards. A slab in memory is looked at where
 * it lies; of one on the device the summary tells which pages have live
 * records, and these are read. An object counts if its slot points to that
 * very record when the walk gets there, and if it was stored before the walk
 * began: so each key comes once at most, whatever happens meanwhile, and one
 * that is stored anew before its turn is passed over.
 */
#include <linux/mm.h>
#include <linux/rcupdate.h>

#include "kfc.h"
#include "walk.h"

/*
 * The slab that reclaim appends to: nothing is carried there from where the
 * walk has been, if it begins there. Else the newest, any other would do.
 */
static u32 first_slab(struct kfc_log *l)
{
	struct kfc_head *kept = kfc_log_head(l, KFC_HEAD_KEPT);
	struct kfc_slab *best;
	u32 i;

	spin_lock(&kept->lock);
	best = kept->slab;
	spin_unlock(&kept->lock);
	if (best)
		return best - l->slabs;
	for (i = 0; i < l->nr_heads; i++) {
		struct kfc_head *h = &l->heads[i];

		spin_lock(&h->lock);
		/* The best so far may be in another life by now. */
		if (h->slab && (!best || h->slab->seq > READ_ONCE(best->seq)))
			best = h->slab;
		spin_unlock(&h->lock);
	}
	return best ? best - l->slabs : 0;
}

/**
 * kfc_walk_init() - begin a walk
 * @c: the cache
 * @w: the walk
 *
 * Context: any that may take a spinlock.
 */
void kfc_walk_init(struct kfc_cache *c, struct kfc_walk *w)
{
	memset(w, 0, sizeof(*w));
	w->until = atomic64_read(&c->order);
	spin_lock(&c->log.lock);
	w->until_seq = c->log.next_seq;
	spin_unlock(&c->log.lock);
	w->left = c->log.nr_slabs;
	w->slab = first_slab(&c->log);
}

/**
 * kfc_walk_skip() - go on with the next slab
 * @c: the cache
 * @w: the walk
 *
 * Any context.
 */
void kfc_walk_skip(struct kfc_cache *c, struct kfc_walk *w)
{
	w->left--;
	w->slab = w->slab ? w->slab - 1 : c->log.nr_slabs - 1;
	w->seq = 0;
	w->io_nr = 0;
}

static bool begin_slab(struct kfc_cache *c, struct kfc_walk *w,
		       struct kfc_slab *s)
{
	if (!atomic_read(&s->live))
		return false;
	/* Pairs with the lock under which a slot in this life was published. */
	smp_rmb();
	w->seq = READ_ONCE(s->seq);
	w->page = 0;
	w->off = 0;
	w->picked = false;
	w->sums = 0;
	w->io_nr = 0;
	return w->seq < w->until_seq &&
	       (u64)atomic64_read(&s->max_order) >= READ_ONCE(c->valid_from);
}

/* Does the slot of a key's hash point to this page, in this life of it? */
static bool points_here(struct kfc_cache *c, const struct kfc_walk *w,
			u64 hash, u32 page, struct kfc_ipos *pos, u64 *value)
{
	struct kfc_slab *s = &c->log.slabs[w->slab];
	u64 *slot, v;

	kfc_index_locate(&c->index, hash, pos);
	v = kfc_index_look(&c->index, pos, &slot);
	if (!slot)
		return false;
	v = kfc_slot_home(c, pos, v);
	if (kfc_slot_page(v) != (u64)w->slab * c->log.slab_pages + page)
		return false;
	/* A slot of the next life is published after its sequence. */
	smp_rmb();
	*value = v;
	return READ_ONCE(s->seq) == w->seq;
}

static void copy_object(struct kfc_object *o, const struct kfc_key *key,
			const struct kfc_rec *rec, u64 slot)
{
	memcpy(o->key, key->p, key->len);
	o->klen = key->len;
	o->fetched = slot & KFC_SLOT_FETCHED;
	o->marks = rec->marks;
	o->flags = rec->flags;
	o->exptime = rec->exptime;
	o->time = rec->time;
	o->vlen = rec->vlen;
	o->cas = rec->cas;
}

/* Is the record at @off of the present page an object that counts? */
static bool take(struct kfc_cache *c, struct kfc_walk *w, struct page **pages,
		 u32 off, u32 klen, struct kfc_object *o)
{
	struct kfc_key key;
	struct kfc_ipos pos;
	struct kfc_rec rec;
	u64 slot;

	if (klen > MP_KEY_MAX)
		return false;
	key.p = page_address(pages[0]) + off + KFC_REC_HDR;
	key.len = klen;
	key.hash = siphash(key.p, klen, &c->hkey);
	if (!points_here(c, w, key.hash, w->page, &pos, &slot))
		return false;
	/* The page may have several versions of the key, and its tag. */
	if (kfc_page_search(pages, &key, &c->index, &pos, &c->hkey,
			    &rec) != KFC_FOUND || rec.off != off)
		return false;
	if (rec.order > w->until ||
	    kfc_store_dead(c, rec.order, rec.exptime))
		return false;
	copy_object(o, &key, &rec, slot);
	return true;
}

static void next_page(struct kfc_walk *w)
{
	w->page++;
	w->off = 0;
	w->good = false;
}

/* One record of the present page. */
static enum kfc_step_ret scan(struct kfc_cache *c, struct kfc_walk *w,
			      struct page **pages, struct kfc_object *o)
{
	const void *page = page_address(pages[0]);
	const struct kfc_rec_hdr *h;
	u32 off, lens, meta, head;

	off = w->off ?: kfc_page_first(page);
	if (off < KFC_PAGE_HDR || off + KFC_REC_HDR > KFC_PAGE)
		goto end;
	h = page + off;
	/* Pairs with the release in reserve_in(). */
	lens = le32_to_cpu(smp_load_acquire(&h->lens));
	/* Pairs with the release in kfc_log_commit(). */
	meta = le32_to_cpu(smp_load_acquire(&h->meta));
	head = kfc_rec_head(lens & 0xff, meta);
	if (!(lens & 0xff) || off + head > KFC_PAGE)
		goto end;
	w->off = round_up(off + head + (lens >> 8), KFC_REC_ALIGN);
	if ((meta & KFC_REC_STATE) == KFC_REC_LIVE &&
	    take(c, w, pages, off, lens & 0xff, o))
		return KFC_WALK_OBJECT;
	return KFC_WALK_ON;
end:
	next_page(w);
	return KFC_WALK_ON;
}

static u32 data_pages(const struct kfc_slab *s)
{
	return DIV_ROUND_UP(READ_ONCE(s->end), KFC_PAGE);
}

static enum kfc_step_ret step_memory(struct kfc_cache *c, struct kfc_walk *w,
				     struct kfc_buf *b, struct kfc_object *o)
{
	if (w->page < data_pages(&c->log.slabs[w->slab]))
		return scan(c, w, &b->pages[w->page], o);
	kfc_walk_skip(c, w);
	return KFC_WALK_ON;
}

static bool wanted(const struct kfc_walk *w, u32 page)
{
	return w->want[page / 64] & BIT_ULL(page % 64);
}

static void want_all(struct kfc_walk *w)
{
	memset(w->want, 0xff, sizeof(w->want));
	w->picked = true;
}

static bool was_read(const struct kfc_walk *w, u32 page)
{
	return page - w->io_page < w->io_nr;
}

static enum kfc_step_ret need(struct kfc_walk *w, u32 page, u32 nr)
{
	w->io_page = page;
	w->io_nr = nr;
	return KFC_WALK_PAGES_NEEDED;
}

/* Mark the pages that a page of the summary tells of. */
static void pick(struct kfc_cache *c, struct kfc_walk *w,
		 const struct kfc_sum_page *sp)
{
	struct kfc_slab *s = &c->log.slabs[w->slab];
	u32 place = c->log.slab_pages - 1 - w->sums;
	u32 i, n, page, nr_recs = READ_ONCE(s->nr_recs);
	struct kfc_ipos pos;
	u64 slot;

	if (!kfc_page_ok(sp, kfc_slab_seed(&c->log, w->seq), place) ||
	    le32_to_cpu(sp->magic) != KFC_SUM_MAGIC) {
		kfc_count(c, bad_summary);
		want_all(w);
		return;
	}
	n = min(nr_recs - w->sums * KFC_SUM_ENTRIES, KFC_SUM_ENTRIES);
	for (i = 0; i < n; i++) {
		const struct kfc_sum_entry *e = &sp->e[i];
		u64 order = le64_to_cpu(e->order);

		page = le32_to_cpu(e->off) / KFC_PAGE;
		if (!order || order > w->until ||
		    page >= c->log.slab_pages ||
		    kfc_store_dead(c, order, le32_to_cpu(e->exptime)) ||
		    !points_here(c, w, le64_to_cpu(e->hash), page, &pos,
				 &slot))
			continue;
		w->want[page / 64] |= BIT_ULL(page % 64);
	}
	w->sums++;
	w->picked = w->sums * KFC_SUM_ENTRIES >= nr_recs;
}

/* Which pages of a slab on the device are worth a read? */
static enum kfc_step_ret step_summary(struct kfc_cache *c, struct kfc_walk *w,
				      const struct kfc_read *rd)
{
	struct kfc_slab *s = &c->log.slabs[w->slab];
	u32 total = DIV_ROUND_UP(READ_ONCE(s->nr_recs), KFC_SUM_ENTRIES);
	u32 place = c->log.slab_pages - 1 - w->sums, n;

	if (!w->sums && !was_read(w, place)) {
		/* Where every page has one there is nothing to find out. */
		if ((u32)atomic_read(&s->live) >= data_pages(s)) {
			want_all(w);
			return KFC_WALK_ON;
		}
		memset(w->want, 0, sizeof(w->want));
	}
	if (rd && was_read(w, place)) {
		pick(c, w, page_address(rd->pages[place - w->io_page]));
		return KFC_WALK_ON;
	}
	n = min_t(u32, total - w->sums, KFC_WALK_READ);
	return need(w, place + 1 - n, n);
}

static enum kfc_step_ret step_pages(struct kfc_cache *c, struct kfc_walk *w,
				    const struct kfc_read *rd,
				    struct kfc_object *o)
{
	u32 end = data_pages(&c->log.slabs[w->slab]), n = 1;
	struct page **pages;

	while (w->page < end && !wanted(w, w->page))
		next_page(w);
	if (w->page >= end) {
		kfc_walk_skip(c, w);
		return KFC_WALK_ON;
	}
	if (!rd || !was_read(w, w->page)) {
		w->good = false;
		while (n < KFC_WALK_READ && w->page + n < end &&
		       wanted(w, w->page + n))
			n++;
		return need(w, w->page, n);
	}
	pages = rd->pages + (w->page - w->io_page);
	if (!w->good && !kfc_page_ok(page_address(pages[0]),
				     kfc_slab_seed(&c->log, w->seq),
				     w->page)) {
		kfc_count(c, bad_page);
		next_page(w);
		return KFC_WALK_ON;
	}
	w->good = true;
	return scan(c, w, pages, o);
}

static enum kfc_step_ret step_device(struct kfc_cache *c, struct kfc_walk *w,
				     const struct kfc_read *rd,
				     struct kfc_object *o)
{
	if (!c->nr_devs || w->no_device ||
	    kfc_slab_lost(&c->log, &c->log.slabs[w->slab])) {
		kfc_walk_skip(c, w);
		return KFC_WALK_ON;
	}
	if (!w->picked)
		return step_summary(c, w, rd);
	return step_pages(c, w, rd, o);
}

/**
 * kfc_walk_step() - look at one record, or find out which is next
 * @c: the cache
 * @w: the walk
 * @rd: the read of the pages that were asked for last, NULL for none. It
 *	was free of errors; its slab needs no pin any more
 * @o: filled in with KFC_WALK_OBJECT
 *
 * Context: any; does not sleep.
 * Return: see enum kfc_step_ret
 */
enum kfc_step_ret kfc_walk_step(struct kfc_cache *c, struct kfc_walk *w,
				const struct kfc_read *rd,
				struct kfc_object *o)
{
	struct kfc_slab *s = &c->log.slabs[w->slab];
	enum kfc_step_ret ret = KFC_WALK_ON;
	struct kfc_buf *b;

	if (!w->left)
		return KFC_WALK_END;
	rcu_read_lock();
	/* No slot led here: in between two lives a buffer is not RCU's. */
	if (!kfc_slab_lives(s) || (!w->seq && !begin_slab(c, w, s)) ||
	    READ_ONCE(s->seq) != w->seq) {
		kfc_walk_skip(c, w);
		goto unlock;
	}
	b = rcu_dereference(s->buf);
	if (b)
		ret = step_memory(c, w, b, o);
	else
		ret = step_device(c, w, rd, o);
unlock:
	rcu_read_unlock();
	return ret;
}

/**
 * kfc_walk_pin() - keep the slab that is to be read from being handed on
 * @c: the cache
 * @w: the walk; kfc_walk_step() asked for @w->io_nr pages from @w->io_page on
 *
 * Any context.
 * Return: the slab, or NULL where nothing in it is left to be found;
 * kfc_walk_skip() is due then
 */
struct kfc_slab *kfc_walk_pin(struct kfc_cache *c, struct kfc_walk *w)
{
	struct kfc_slab *s = &c->log.slabs[w->slab];

	atomic_inc(&s->pins);
	/*
	 * Pairs with the grace period in front of drain(): as long as a slot
	 * points here the slab was not yet looked at there.
	 */
	smp_mb__after_atomic();
	if (atomic_read(&s->live)) {
		/* As in begin_slab(). */
		smp_rmb();
		if (READ_ONCE(s->seq) == w->seq)
			return s;
	}
	kfc_walk_unpin(s);
	return NULL;
}

/**
 * kfc_walk_unpin() - the read of a pinned slab did not come about
 * @s: the slab
 *
 * Any context.
 */
void kfc_walk_unpin(struct kfc_slab *s)
{
	/* As in kfc_read_unpin(). */
	smp_mb__before_atomic();
	atomic_dec(&s->pins);
}

/**
 * kfc_walk_failed() - the pages that were asked for can't be read
 * @w: the walk; goes on behind them, or without a summary
 *
 * Any context.
 */
void kfc_walk_failed(struct kfc_walk *w)
{
	if (!w->picked) {
		want_all(w);
	} else {
		w->page = w->io_page + w->io_nr;
		w->off = 0;
		w->good = false;
	}
	w->io_nr = 0;
}
