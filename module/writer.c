// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The writer: one thread a cache that writes sealed slabs, takes buffers back
 * from slabs that are on the device, and keeps slabs ready for the heads.
 */
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "kfc.h"
#include "memtier.h"
#include "observe.h"
#include "pressure.h"
#include "restart.h"

/* While reads pin a slab or sockets hold too many pages, look again so often. */
#define KFC_RETRY_MS 5
/* Slabs that are discarded before something else has its turn. */
#define KFC_DISCARDS 4
/* What nobody tells is looked for so often: has the device gone, what expired? */
#define KFC_LOOK_MS 1000

static void write_done(struct kfc_io *io)
{
	struct kfc_write *w = container_of(io, struct kfc_write, io);
	struct kfc_log *l = w->log;

	/*
	 * Once @done is seen the thread may end. The log stays, with what is
	 * kicked here, until the device is closed, which waits for this.
	 */
	smp_store_release(&w->done, true);
	kfc_log_kick(l);
}

static void finish_summary(struct kfc_log *l, struct kfc_slab *s,
			   struct kfc_buf *b)
{
	u32 i, n = DIV_ROUND_UP(s->nr_recs, KFC_SUM_ENTRIES);
	u64 seed = kfc_slab_seed(l, s->seq);

	for (i = 0; i < n; i++) {
		struct kfc_sum_page *sp = kfc_log_summary(l, b, i);

		sp->seq = cpu_to_le64(s->seq);
		sp->max_order = cpu_to_le64(atomic64_read(&s->max_order));
		sp->magic = cpu_to_le32(KFC_SUM_MAGIC);
		sp->count = cpu_to_le32(s->nr_recs);
		sp->nr = cpu_to_le32(i);
	}
	for (i = 0; i < l->slab_pages; i++) {
		struct kfc_page_hdr *h = page_address(b->pages[i]);

		h->sum = cpu_to_le32(kfc_page_sum(h, seed, i));
	}
}

static void make_stored(struct kfc_log *l, struct kfc_slab *s)
{
	spin_lock(&l->lock);
	WRITE_ONCE(s->state, KFC_SLAB_STORED);
	if (kfc_slab_copies(l, s)) {
		list_add_tail(&s->list, &l->copies);
	} else {
		kfc_slab_member(l, s)->unwritten--;
		list_add_tail(&s->list, &l->stored);
		list_add_tail(&s->resident, &l->resident[s->kept]);
	}
	spin_unlock(&l->lock);
}

static void start_write(struct kfc_cache *c, struct kfc_write *w,
			struct kfc_slab *s)
{
	struct kfc_log *l = &c->log;
	struct kfc_buf *b = rcu_dereference_protected(s->buf, 1);
	struct kfc_dev *d = kfc_slab_member(l, s)->dev;

	finish_summary(l, s, b);
	WRITE_ONCE(s->state, KFC_SLAB_WRITING);
	w->slab = s;
	w->log = l;
	w->since = jiffies;
	w->done = false;
	w->io.pages = b->pages;
	w->io.nr_pages = l->slab_pages;
	w->io.page_no = kfc_slab_at(l, s, 0);
	w->io.done = write_done;
	d->ops->write(d, &w->io);
}

static void finish_write(struct kfc_cache *c, struct kfc_write *w)
{
	struct kfc_log *l = &c->log;
	struct kfc_slab *s = w->slab;

	w->slab = NULL;
	kfc_member_result(c, s->dev, w->io.err);
	if (w->io.err) {
		kfc_count(c, write_errors);
		/* In memory it is as good as before, when that is all we have. */
		if (!kfc_slab_lost(l, s))
			kfc_slab_empty(c, s, KFC_EVICT_DEVICE);
		WRITE_ONCE(s->write_failed, true);
	} else {
		kfc_count_add(c, ext_bytes_written, l->geo.slab_bytes);
		kfc_count_add(c, ext_objects_written, s->nr_recs);
	}
	make_stored(l, s);
}

/* Does a sealed slab go on? With @w set it is written, else it stays in memory. */
static bool may_go(struct kfc_log *l, struct kfc_slab *s, struct kfc_write **w)
{
	struct kfc_member *m = kfc_slab_member(l, s);
	int i;

	*w = NULL;
	if (!l->nr_members || kfc_slab_copies(l, s) || kfc_slab_lost(l, s))
		return true;
	for (i = 0; i < KFC_WRITES && !*w; i++)
		if (!m->writes[i].slab)
			*w = &m->writes[i];
	return *w;
}

static struct kfc_slab *next_sealed(struct kfc_log *l, struct kfc_write **w)
{
	struct kfc_slab *s, *found = NULL;

	spin_lock(&l->lock);
	list_for_each_entry(s, &l->sealed, list) {
		if (!may_go(l, s, w))
			continue;
		list_del_init(&s->list);
		found = s;
		break;
	}
	spin_unlock(&l->lock);
	return found;
}

/**
 * kfc_log_writes() - go on with writing sealed slabs
 * @c: the cache
 *
 * Context: the writer thread; what takes it long calls this in between.
 * Return: whether there was something to do
 */
bool kfc_log_writes(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	struct kfc_write *w;
	struct kfc_slab *s;
	bool did = false;
	u32 nr;
	int i;

	for (nr = 0; nr < l->nr_members; nr++) {
		for (i = 0; i < KFC_WRITES; i++) {
			w = &l->members[nr].writes[i];
			/* Pairs with the release in write_done(). */
			if (!w->slab || !smp_load_acquire(&w->done))
				continue;
			finish_write(c, w);
			did = true;
		}
	}
	while ((s = next_sealed(l, &w))) {
		if (w)
			start_write(c, w, s);
		else
			make_stored(l, s);
		did = true;
	}
	return did;
}

static bool take_buf(struct kfc_log *l, struct kfc_slab *s)
{
	struct kfc_buf *b = rcu_dereference_protected(s->buf, 1);

	if (!b)
		return false;
	rcu_assign_pointer(s->buf, NULL);
	spin_lock(&l->lock);
	WRITE_ONCE(l->nr_new, l->nr_new - !s->kept);
	spin_unlock(&l->lock);
	list_add_tail(&b->list, &l->dirty);
	return true;
}

static bool reap_orphans(struct kfc_log *l)
{
	u32 i, n = 0;

	for (i = 0; i < l->nr_orphans; i++) {
		if (page_count(l->orphans[i]) == 1)
			put_page(l->orphans[i]);
		else
			l->orphans[n++] = l->orphans[i];
	}
	if (n == l->nr_orphans)
		return false;
	WRITE_ONCE(l->nr_orphans, n);
	return true;
}

/*
 * Zero a buffer, unless it is given back; a page that a socket still holds is
 * left to it.
 */
static bool clean_buf(struct kfc_cache *c, struct kfc_buf *b, bool give)
{
	struct kfc_log *l = &c->log;
	u32 i;

	for (i = 0; i < l->slab_pages; i++) {
		struct page *old = b->pages[i], *p = NULL;

		if (old && page_count(old) == 1) {
			if (!give)
				memset(page_address(old), 0, KFC_PAGE);
			continue;
		}
		if (old && kfc_log_lent_all(l))
			return false;
		if (!give) {
			p = alloc_page(GFP_KERNEL | __GFP_NORETRY |
				       __GFP_NOWARN | __GFP_ZERO);
			if (!p)
				return false;
		}
		b->pages[i] = p;
		if (!old)
			continue;
		l->orphans[l->nr_orphans] = old;
		WRITE_ONCE(l->nr_orphans, l->nr_orphans + 1);
		kfc_count(c, pages_replaced);
	}
	return true;
}

static bool clean_bufs(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	struct kfc_buf *b, *next;
	bool did = reap_orphans(l);

	list_for_each_entry_safe(b, next, &l->dirty, list) {
		bool give = l->nr_bufs > READ_ONCE(l->want_bufs);

		if (!clean_buf(c, b, give))
			break;
		did = true;
		if (give) {
			kfc_buf_remove(l, b);
			continue;
		}
		spin_lock(&l->lock);
		list_move_tail(&b->list, &l->bufs);
		spin_unlock(&l->lock);
	}
	return did;
}

/*
 * Nobody reads what lies there any more. The slab is not free yet, so nothing
 * new is written there meanwhile.
 */
static void discard_slab(struct kfc_cache *c, struct kfc_slab *s)
{
	struct kfc_log *l = &c->log;
	struct kfc_dev *d = kfc_slab_member(l, s)->dev;
	int err = d->ops->discard(d, kfc_slab_at(l, s, 0), l->slab_pages);

	if (!err) {
		kfc_count(c, discards);
		return;
	}
	/* It works as well without, so the device is none the worse for it. */
	kfc_count(c, discard_errors);
	pr_err_ratelimited("kfatcache: %s: discard error %d\n", d->name, err);
}

/* Where a slab goes that nobody reads or uses; @l->lock */
static void put_free(struct kfc_log *l, struct kfc_slab *s)
{
	WRITE_ONCE(s->state, KFC_SLAB_FREE);
	if (kfc_slab_copies(l, s)) {
		list_move_tail(&s->list, &l->copy_free);
	} else if (kfc_slab_lost(l, s) && !READ_ONCE(l->failed)) {
		list_move_tail(&s->list, &kfc_slab_member(l, s)->out);
		WRITE_ONCE(l->nr_out, l->nr_out + 1);
	} else {
		list_move_tail(&s->list, &l->free);
		WRITE_ONCE(l->nr_free, l->nr_free + 1);
	}
}

static bool drain(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	struct kfc_slab *s, *next;
	struct kfc_member *m;
	u32 discards = 0, pinned = 0;
	bool did = false;

	/* Held back they kept nobody waiting; now as many as can go. */
	list_splice_init(&l->held, &l->drain);
	list_for_each_entry_safe(s, next, &l->drain, list) {
		m = kfc_slab_member(l, s);
		if (atomic_read(&s->pins)) {
			if (kfc_slab_copies(l, s))
				continue;
			pinned |= 1U << s->dev;
			if (kfc_member_late(c, m))
				list_move_tail(&s->list, &l->held);
			continue;
		}
		if (c->cfg.discard && !m->no_discard &&
		    !kfc_slab_copies(l, s) && !kfc_slab_lost(l, s)) {
			/* Each takes time, and writes are to go on. */
			if (discards++ == KFC_DISCARDS) {
				did = true;
				break;
			}
			discard_slab(c, s);
		}
		take_buf(l, s);
		spin_lock(&l->lock);
		put_free(l, s);
		spin_unlock(&l->lock);
		did = true;
	}
	kfc_members_pinned(l, pinned);
	return did;
}

/**
 * kfc_slab_free() - a slab that nothing points to goes the way to a new life
 * @c: the cache
 * @s: the slab, STORED; or its slots are emptied next, before kfc_log_step()
 *	is called again
 *
 * Context: the writer thread; may sleep.
 */
void kfc_slab_free(struct kfc_cache *c, struct kfc_slab *s)
{
	struct kfc_log *l = &c->log;

	/* What the last load had here must not come back from now on. */
	kfc_restart_lock(c);
	spin_lock(&l->lock);
	list_del_init(&s->resident);
	list_move_tail(&s->list, &l->drain);
	WRITE_ONCE(s->state, KFC_SLAB_DRAIN);
	spin_unlock(&l->lock);
	kfc_restart_unlock(c);
	if (c->nr_devs)
		kfc_count(c, ext_page_reclaims);
}

static bool reclaim_slab(struct kfc_cache *c, struct kfc_slab *s)
{
	if (!s)
		return false;
	if (c->nr_devs && atomic_read(&s->live))
		kfc_count(c, ext_page_evictions);
	kfc_slab_free(c, s);
	kfc_slab_empty(c, s, KFC_EVICT_SPACE);
	c->log.in_vain++;
	return true;
}

/* The first slab of a list that may have a life after this one. */
static struct kfc_slab *first_that_takes(struct kfc_cache *c,
					 struct list_head *list)
{
	struct kfc_log *l = &c->log;
	struct kfc_slab *s;

	list_for_each_entry(s, list, list)
		if (READ_ONCE(l->failed) || kfc_member_takes(c, s))
			return s;
	return NULL;
}

static struct kfc_slab *oldest_resident(struct kfc_log *l)
{
	struct kfc_slab *a, *b;

	a = list_first_entry_or_null(&l->resident[0], struct kfc_slab, resident);
	b = list_first_entry_or_null(&l->resident[1], struct kfc_slab, resident);
	if (!a || !b)
		return a ?: b;
	return a->seq < b->seq ? a : b;
}

/**
 * kfc_spare_buf() - take a buffer from those who can do without
 * @c: the cache
 *
 * Context: the writer thread; sleeps.
 * Return: whether one was taken; none is while others are on their way
 */
bool kfc_spare_buf(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	struct kfc_slab *s;

	if (!list_empty(&l->dirty) || !list_empty(&l->drain))
		return false;
	if (l->nr_copies > kfc_copies_max(l) && kfc_copies_spare(c))
		return true;
	if (!c->nr_devs || READ_ONCE(l->failed))
		return reclaim_slab(c, kfc_tier_victim(c));
	s = oldest_resident(l);
	if (!s)
		return false;
	if (kfc_slab_lost(l, s)) {
		kfc_slab_free(c, s);
		kfc_slab_empty(c, s, KFC_EVICT_DEVICE);
		return true;
	}
	kfc_promote_used(c, s);
	spin_lock(&l->lock);
	list_del_init(&s->resident);
	spin_unlock(&l->lock);
	return take_buf(l, s);
}

/**
 * kfc_buf_give() - a slab gets a buffer, and is READY
 * @l: the log; there is a buffer that nobody has
 * @s: the slab, FREE
 * @to: the list that it goes to
 *
 * Context: the writer thread, under @l->lock.
 */
void kfc_buf_give(struct kfc_log *l, struct kfc_slab *s, struct list_head *to)
{
	struct kfc_buf *b = list_first_entry(&l->bufs, struct kfc_buf, list);

	list_del_init(&b->list);
	rcu_assign_pointer(s->buf, b);
	WRITE_ONCE(s->state, KFC_SLAB_READY);
	if (!kfc_slab_copies(l, s))
		kfc_slab_member(l, s)->unwritten++;
	list_move_tail(&s->list, to);
}

static bool make_ready(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	struct kfc_slab *s = first_that_takes(c, &l->free);
	bool starved = false;

	if (!s)
		return list_empty(&l->drain) &&
		       reclaim_slab(c, first_that_takes(c, &l->stored));
	if (list_empty(&l->bufs))
		return kfc_spare_buf(c);
	spin_lock(&l->lock);
	kfc_buf_give(l, s, &l->ready);
	WRITE_ONCE(l->nr_free, l->nr_free - 1);
	WRITE_ONCE(l->nr_ready, l->nr_ready + 1);
	if (l->nr_ready > kfc_carry_reserve(c)) {
		starved = l->starved;
		l->starved = false;
		l->in_vain = 0;
	}
	spin_unlock(&l->lock);
	if (c->nr_devs)
		kfc_count(c, ext_page_allocs);
	if (starved && c->space)
		c->space(c);
	return true;
}

/* Towards as many buffers as are wanted, one at a time. */
static bool adjust_bufs(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	u32 want = READ_ONCE(l->want_bufs);

	if (l->nr_bufs == want)
		return false;
	if (l->nr_bufs < want) {
		if (!kfc_buf_add(l))
			return true;
		/* The machine has no more: so that is what we have, for now. */
		spin_lock(&l->lock);
		if (l->want_bufs > l->nr_bufs) {
			kfc_pressure_note(l, l->want_bufs - l->nr_bufs);
			WRITE_ONCE(l->want_bufs, l->nr_bufs);
		}
		spin_unlock(&l->lock);
		return false;
	}
	if (list_empty(&l->bufs))
		return kfc_spare_buf(c);
	kfc_buf_remove(l, list_first_entry(&l->bufs, struct kfc_buf, list));
	return true;
}

/* One for each head, and one for what a reclaim carries forward. */
static u32 want_ready(const struct kfc_cache *c)
{
	return c->log.nr_heads + kfc_carry_reserve(c);
}

static void keep_free(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;

	/* Free slabs ahead of need, so that no set waits for a reclaim. */
	if (c->nr_devs && !READ_ONCE(l->failed) && list_empty(&l->drain) &&
	    (kfc_rare("reclaim_early") ||
	     l->nr_free + READ_ONCE(l->nr_ready) <= want_ready(c)))
		reclaim_slab(c, first_that_takes(c, &l->stored));
}

/* A head lets go of its slab; what comes next goes to another one. */
static void seal_heads(struct kfc_cache *c, const struct kfc_member *of)
{
	struct kfc_log *l = &c->log;
	u32 i;

	for (i = 0; i < kfc_log_heads(l); i++) {
		struct kfc_head *h = &l->heads[i];
		struct kfc_slab *s;

		spin_lock(&h->lock);
		s = h->slab;
		if (s && of && (s->dev != of->nr || kfc_slab_copies(l, s)))
			s = NULL;
		if (s)
			h->slab = NULL;
		spin_unlock(&h->lock);
		if (s)
			kfc_slab_put_hold(c, s);
	}
}

/* Nobody fills the slabs of a device that has failed any more. */
static void leave_unused(struct kfc_log *l, struct kfc_member *m)
{
	struct kfc_slab *s, *next;

	spin_lock(&l->lock);
	list_for_each_entry_safe(s, next, &l->free, list) {
		if (s->dev != m->nr)
			continue;
		list_move_tail(&s->list, &m->out);
		WRITE_ONCE(l->nr_free, l->nr_free - 1);
		WRITE_ONCE(l->nr_out, l->nr_out + 1);
	}
	list_for_each_entry_safe(s, next, &l->ready, list) {
		struct kfc_buf *b = rcu_dereference_protected(s->buf, 1);

		if (s->dev != m->nr)
			continue;
		WRITE_ONCE(l->nr_ready, l->nr_ready - 1);
		m->unwritten--;
		rcu_assign_pointer(s->buf, NULL);
		list_add_tail(&b->list, &l->bufs);
		WRITE_ONCE(s->state, KFC_SLAB_FREE);
		list_move_tail(&s->list, &m->out);
		WRITE_ONCE(l->nr_out, l->nr_out + 1);
	}
	spin_unlock(&l->lock);
}

/*
 * From here on the log is on the other devices. What is in memory of this one
 * stays as long as there is memory for it.
 */
static void leave(struct kfc_cache *c, struct kfc_member *m)
{
	struct kfc_log *l = &c->log;
	struct kfc_slab *s, *next;

	m->left = true;
	leave_unused(l, m);
	seal_heads(c, m);
	kfc_restart_lock(c);
	kfc_sweep_unreadable(c);
	kfc_restart_unlock(c);
	list_for_each_entry_safe(s, next, &l->stored, list)
		if (s->dev == m->nr && !rcu_access_pointer(s->buf))
			kfc_slab_free(c, s);
	if (c->space)
		c->space(c);
}

/* From here on the cache is one in memory. */
static void give_up(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	u32 nr;

	l->swept = true;
	l->disown_at = jiffies;
	kfc_restart_lock(c);
	kfc_sweep_unreadable(c);
	kfc_restart_unlock(c);
	spin_lock(&l->lock);
	for (nr = 0; nr < l->nr_members; nr++)
		list_splice_init(&l->members[nr].out, &l->free);
	WRITE_ONCE(l->nr_free, l->nr_free + l->nr_out);
	WRITE_ONCE(l->nr_out, 0);
	spin_unlock(&l->lock);
	/* Nobody needs to wait for the device any more. */
	if (c->space)
		c->space(c);
}

static void leave_failed(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	u32 nr;

	kfc_members_gone(c);
	for (nr = 0; nr < l->nr_members && !READ_ONCE(l->failed); nr++)
		if (kfc_member_failed(l, nr) && !l->members[nr].left)
			leave(c, &l->members[nr]);
	if (READ_ONCE(l->failed) && !l->swept)
		give_up(c);
}

/**
 * kfc_log_step() - do what there is to do in the background
 * @c: the cache
 *
 * Context: the writer thread alone (or a test that has none); sleeps.
 * Return: true where something was done and there may be more
 */
bool kfc_log_step(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	bool did = kfc_log_writes(c);

	kfc_members_reap(c);
	leave_failed(c);
	did |= kfc_members_note(c);
	/*
	 * Readers follow a slot to its slab, pin it, copy from its buffer and
	 * take its pages in one RCU section. Those that saw a slot that was
	 * cleared, or a buffer that was taken, are gone after this.
	 */
	if (!list_empty(&l->drain) || !list_empty(&l->held) ||
	    !list_empty(&l->dirty))
		synchronize_rcu();
	did |= drain(c);
	did |= clean_bufs(c);
	did |= kfc_pressure_ease(c);
	did |= adjust_bufs(c);
	if (READ_ONCE(l->nr_ready) < want_ready(c))
		did |= make_ready(c);
	else
		keep_free(c);
	did |= kfc_copies_step(c);
	did |= kfc_expire_step(c, !did);
	return did;
}

/* Is a write under way? @seen: or one that kfc_log_writes() has yet to see */
static bool writes_out(struct kfc_log *l, bool seen)
{
	u32 nr;
	int i;

	for (nr = 0; nr < l->nr_members; nr++) {
		struct kfc_write *w = l->members[nr].writes;

		for (i = 0; i < KFC_WRITES; i++)
			if (w[i].slab && (seen || !READ_ONCE(w[i].done)))
				return true;
	}
	return false;
}

static int writer(void *arg)
{
	struct kfc_cache *c = arg;
	struct kfc_log *l = &c->log;

	while (!kthread_should_stop()) {
		bool wait = !list_empty(&l->drain) || !list_empty(&l->dirty) ||
			    l->nr_orphans || !list_empty(&l->held) ||
			    kfc_members_awaited(l) || kfc_members_to_note(c);

		wait_event_idle_timeout(l->wait, READ_ONCE(l->kicked) ||
					kthread_should_stop(),
					msecs_to_jiffies(wait ? KFC_RETRY_MS :
							 l->expire.busy ?
							 KFC_EXPIRE_MS :
							 KFC_LOOK_MS));
		/* What there is to do from now on is seen, or kicks again. */
		smp_store_mb(l->kicked, false);
		while (!kthread_should_stop() && kfc_log_step(c))
			cond_resched_tasks_rcu_qs();
	}
	wait_event_idle(l->wait, !writes_out(l, false));
	return 0;
}

/* Which devices can be told what is of no use? */
static void find_discard(struct kfc_cache *c)
{
	u32 nr, can = 0;

	for (nr = 0; nr < c->log.nr_members && c->cfg.discard; nr++) {
		struct kfc_member *m = &c->log.members[nr];

		m->no_discard = !m->dev->ops->discard ||
				m->dev->ops->discard(m->dev, 0, 0);
		can += !m->no_discard;
		if (m->no_discard)
			pr_notice("kfatcache: discard=1: %s cannot discard, so nothing is\n",
				  m->dev->name);
	}
	c->cfg.discard = can > 0;
}

/**
 * kfc_log_start() - make slabs ready and start the writer thread
 * @c: the cache
 *
 * Context: may sleep. Return: 0 or a negative errno
 */
int kfc_log_start(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;
	struct task_struct *t;

	find_discard(c);
	while (kfc_log_step(c))
		;
	t = kthread_run(writer, c, "kfatcache-log");
	if (IS_ERR(t)) {
		kfc_members_stop(c);
		return PTR_ERR(t);
	}
	l->task = t;
	return 0;
}

/**
 * kfc_log_stop() - end the writer thread
 * @c: the cache; nobody reserves or reads any more
 *
 * Waits for the writes that are under way. Context: sleeps.
 */
void kfc_log_stop(struct kfc_cache *c)
{
	if (c->log.task)
		kthread_stop(c->log.task);
	c->log.task = NULL;
	kfc_members_stop(c);
}

/**
 * kfc_log_settle() - write all that is not on the device yet
 * @c: the cache, with a device; nobody reserves any more and the writer thread
 *	has ended
 *
 * Context: sleeps on the device.
 */
void kfc_log_settle(struct kfc_cache *c)
{
	struct kfc_log *l = &c->log;

	seal_heads(c, NULL);
	for (;;) {
		/* A write that ends now is seen, or kicks again. */
		smp_store_mb(l->kicked, false);
		if (kfc_log_writes(c))
			continue;
		if (!writes_out(l, true))
			return;
		wait_event_idle(l->wait, READ_ONCE(l->kicked));
	}
}
