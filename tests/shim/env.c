// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <stdarg.h>

#include "auth.h"
#include "env.h"
#include "restart.h"

u64 env_now = 1700000000;

u64 kfc_now(const struct kfc_cache *c)
{
	return env_now + c->wall_base;
}

/* The answers of a client: bytes as they come, in the order of their nodes. */

struct text {
	struct kfc_out_node node;
	char bytes[];
};

static void text_release(struct kfc_out_node *n)
{
	free(container_of(n, struct text, node));
}

void kfc_out_init(struct kfc_out *o)
{
	INIT_LIST_HEAD(&o->nodes);
}

bool kfc_out_copy(struct kfc_out *o, const void *p, u32 len)
{
	struct text *t = calloc(1, sizeof(*t) + len);

	if (len)
		memcpy(t->bytes, p, len);
	t->node.head = t->bytes;
	t->node.head_len = len;
	t->node.release = text_release;
	kfc_out_add(o, &t->node);
	kfc_out_ready(o, &t->node);
	return true;
}

static _Thread_local char piece[KFC_OUT_PIECE];

char *kfc_out_reserve(struct kfc_out *o, u32 len)
{
	assert(len <= KFC_OUT_PIECE);
	return piece;
}

void kfc_out_commit(struct kfc_out *o, u32 len)
{
	kfc_out_copy(o, piece, len);
}

void kfc_out_add(struct kfc_out *o, struct kfc_out_node *n)
{
	n->sent = 0;
	list_add_tail(&n->list, &o->nodes);
}

void kfc_out_ready(struct kfc_out *o, struct kfc_out_node *n)
{
	n->ready = true;
}

void kfc_out_unready(struct kfc_out *o, struct kfc_out_node *n)
{
	n->ready = false;
}

void kfc_out_drop(struct kfc_out *o)
{
	struct kfc_out_node *n, *next;

	list_for_each_entry_safe(n, next, &o->nodes, list) {
		list_del_init(&n->list);
		if (n->ready)
			n->release(n);
	}
}

static void put_bytes(struct env_client *ec, const void *p, size_t len)
{
	if (ec->len + len + 1 > ec->size) {
		ec->size = (ec->len + len + 1) * 2;
		ec->answer = realloc(ec->answer, ec->size);
	}
	if (len)
		memcpy(ec->answer + ec->len, p, len);
	ec->len += len;
	ec->answer[ec->len] = 0;
}

/* Of some bytes what was not sent before, as far as the client takes it. */
static void send_bytes(struct env_client *ec, struct kfc_out_node *n,
		       const u8 *p, u32 len, u32 *skip)
{
	u32 cut = min(*skip, len);

	*skip -= cut;
	if (cut == len || ec->stalled)
		return;
	p += cut;
	len -= cut;
	/* In front of other nodes may be a part of an answer. */
	if (ec->most && n->more && len >= ec->most) {
		len = ec->most;
		ec->most = 0;
		ec->stalled = true;
	} else if (ec->most && n->more) {
		ec->most -= len;
	}
	put_bytes(ec, p, len);
	n->sent += len;
}

static void send_node(struct env_client *ec, struct kfc_out_node *n)
{
	u32 i, skip = n->sent, len = n->head_len + n->tail_len;

	send_bytes(ec, n, (const u8 *)n->head, n->head_len, &skip);
	for (i = 0; i < n->nr_bv; i++) {
		send_bytes(ec, n, page_address(n->bv[i].bv_page) +
			   n->bv[i].bv_offset, n->bv[i].bv_len, &skip);
		len += n->bv[i].bv_len;
	}
	send_bytes(ec, n, (const u8 *)n->tail, n->tail_len, &skip);
	/* What was sent stays sent. */
	assert(n->sent <= len);
	if (n->sent < len)
		return;
	if (n->parts) {
		n->ready = false;
		n->sent = 0;
		n->more(n);
		return;
	}
	list_del_init(&n->list);
	n->release(n);
	ec->whole = ec->len;
}

static bool may_send(const struct env_client *ec)
{
	const struct kfc_out *o = &ec->cl.out;

	return !o->failed && !ec->stalled && !list_empty(&o->nodes);
}

/* As kfc_conn_send() does it. */
static void drain_out(struct env_client *ec)
{
	struct kfc_out_node *n;

	do {
		while (may_send(ec)) {
			n = list_first_entry(&ec->cl.out.nodes,
					     struct kfc_out_node, list);
			if (!n->ready)
				break;
			send_node(ec, n);
		}
	} while (may_send(ec) && kfc_stream_next(&ec->cl) > 0);
}

/* The device. */

/* The writer thread waits for its own read, which is the last one. */
static struct env *waiting;
static struct env_dev *last;

struct env_dev *env_dev(struct env *e, u32 nr)
{
	return nr ? e->more[nr - 1] : &e->d;
}

static void do_io(struct env_dev *d, struct kfc_io *io)
{
	u32 i;

	io->err = 0;
	if (d->gone) {
		io->err = -EIO;
	} else if (!io->write && io->page_no < d->bad_to &&
	    io->page_no + io->nr_pages > d->bad_from) {
		io->err = -EIO;
	} else if (io->write ? d->fail_writes : d->fail_reads) {
		--*(io->write ? &d->fail_writes : &d->fail_reads);
		io->err = -EIO;
	} else if (io->write && d->dies_at && d->writes >= d->dies_at) {
		/* It has not been heard of. */
	} else if (io->write && d->drop_writes) {
		d->drop_writes--;
	} else if (!io->write && d->skip_reads) {
		d->skip_reads--;
	} else {
		for (i = 0; i < io->nr_pages; i++) {
			u8 *at = d->mem + (io->page_no + i) * KFC_PAGE;
			void *p = page_address(io->pages[i]);

			memcpy(io->write ? (void *)at : p,
			       io->write ? p : (void *)at, KFC_PAGE);
		}
		if (!io->write && d->flip_reads) {
			u8 *p = page_address(io->pages[rand() % io->nr_pages]);

			d->flip_reads--;
			p[rand() % KFC_PAGE] ^= 1 << rand() % 8;
		}
	}
	io->done(io);
}

/* The slab that lies at a page of a device, NULL where none does. */
static struct kfc_slab *slab_at(struct kfc_dev *dev, u64 page_no)
{
	struct kfc_log *l = &waiting->c.log;
	u32 i, nr;

	for (nr = 0; nr < l->nr_members && l->members[nr].dev != dev; nr++)
		;
	if (nr == l->nr_members || page_no < l->members[nr].slabs_at)
		return NULL;
	for (i = 0; i < l->nr_slabs; i++)
		if (l->slabs[i].dev == nr &&
		    page_no - kfc_slab_at(l, &l->slabs[i], 0) < l->slab_pages)
			return &l->slabs[i];
	return NULL;
}

/* Slabs are written whole, each at its place, and superblocks beside them. */
static void check_write(struct kfc_dev *dev, const struct kfc_io *io)
{
	const struct kfc_log *l = &waiting->c.log;
	struct kfc_slab *s;

	if (io->page_no == dev->pages - 1) {
		assert(io->nr_pages == 1);
		return;
	}
	s = slab_at(dev, io->page_no);
	if (!s)
		return;
	assert(io->page_no == kfc_slab_at(l, s, 0));
	assert(io->nr_pages == l->slab_pages);
	assert(s->state == KFC_SLAB_WRITING);
}

static void submit(struct kfc_dev *dev, struct kfc_io *io, bool write)
{
	struct env_dev *d = container_of(dev, struct env_dev, dev);

	assert(io->page_no + io->nr_pages <= dev->pages);
	if (write)
		check_write(dev, io);
	io->write = write;
	d->reads += !write;
	d->read_pages += write ? 0 : io->nr_pages;
	d->writes += write;
	last = d;
	if (d->defer) {
		assert(d->nr < ARRAY_SIZE(d->queue));
		d->queue[d->nr++] = io;
	} else {
		do_io(d, io);
	}
}

static void dev_read(struct kfc_dev *dev, struct kfc_io *io)
{
	submit(dev, io, false);
}

static void dev_write(struct kfc_dev *dev, struct kfc_io *io)
{
	submit(dev, io, true);
}

static int dev_flush(struct kfc_dev *dev)
{
	struct env_dev *d = container_of(dev, struct env_dev, dev);

	if (d->fail_flush_at && !--d->fail_flush_at)
		return -EIO;
	return d->gone ? -EIO : 0;
}

static bool dev_gone(struct kfc_dev *dev)
{
	return container_of(dev, struct env_dev, dev)->gone;
}

/* What is discarded nobody may need: no slot leads there, and no I/O. */
static int dev_discard(struct kfc_dev *dev, u64 page_no, u64 nr)
{
	struct env_dev *d = container_of(dev, struct env_dev, dev);
	struct kfc_index *ix = &waiting->c.index;
	u64 place = kfc_place(0), *v, slab;
	u32 i, slots;

	if (d->no_discard || !nr)
		return d->no_discard ? -EOPNOTSUPP : 0;
	assert(page_no + nr <= dev->pages);
	assert(nr == waiting->c.log.slab_pages);
	slab = slab_at(dev, page_no) - waiting->c.log.slabs;
	assert(kfc_slab_at(&waiting->c.log, slab_at(dev, page_no), 0) ==
	       page_no);
	while (place < kfc_place(ix->lines0)) {
		v = kfc_index_group(ix, &place, &slots);
		for (i = 0; i < slots; i++)
			assert(!v[i] || kfc_slot_page(v[i]) / nr != slab);
	}
	for (i = 0; i < d->nr; i++)
		assert(d->queue[i]->page_no >= page_no + nr ||
		       d->queue[i]->page_no + d->queue[i]->nr_pages <= page_no);
	d->discards++;
	if (d->fail_discards) {
		d->fail_discards--;
		return -EIO;
	}
	memset(d->mem + page_no * KFC_PAGE, 0xdd, nr * KFC_PAGE);
	return 0;
}

static const struct kfc_dev_ops env_ops = {
	.read = dev_read,
	.write = dev_write,
	.flush = dev_flush,
	.gone = dev_gone,
	.discard = dev_discard,
};

u64 env_items(struct env *e)
{
	struct kfc_log_info info;

	kfc_log_info(&e->c, &info);
	return info.items;
}

/* Slots in use: counted, and as the index says. */
u64 env_slots(struct env *e)
{
	u64 place = kfc_place(0), n = 0, *v;
	u32 i, nr;

	while (place < kfc_place(e->c.index.lines0)) {
		v = kfc_index_group(&e->c.index, &place, &nr);
		for (i = 0; i < nr; i++)
			n += !!v[i];
	}
	assert((u64)percpu_counter_read(&e->c.index.used) == n);
	return n;
}

void env_complete_of(struct env_dev *d, u32 nth)
{
	struct kfc_io *io = d->queue[nth];

	d->nr--;
	memmove(&d->queue[nth], &d->queue[nth + 1],
		(d->nr - nth) * sizeof(d->queue[0]));
	do_io(d, io);
}

/* Let the I/O that is @nth in the queue end. */
void env_complete(struct env *e, u32 nth)
{
	env_complete_of(&e->d, nth);
}

static void env_wait(void)
{
	assert(last->nr);
	env_complete_of(last, last->nr - 1);
}

/* Let all I/O end, of any device. */
static void drain_devs(struct env *e)
{
	u32 nr;

	for (nr = 0; nr < e->nr; nr++)
		while (env_dev(e, nr)->nr)
			env_complete_of(env_dev(e, nr), 0);
}

/* Let one end, if there is any. */
static void some_io(struct env *e)
{
	u32 nr, first = e->nr > 1 ? rand() % e->nr : 0;

	for (nr = 0; nr < e->nr; nr++) {
		struct env_dev *d = env_dev(e, (first + nr) % e->nr);

		if (!d->nr || d->hangs)
			continue;
		env_complete_of(d, rand() % d->nr);
		return;
	}
}

/*
 * What the kernel's stats.c does is tested elsewhere. A test that links super.c
 * has the real one, else there is one slab behind the other and no restart.
 */
#define maybe __attribute__((weak))

maybe int kfc_super_load(struct kfc_cache *c, struct kfc_geometry *geo)
{
	u32 nr;

	memset(geo, 0, sizeof(*geo));
	geo->slab_bytes = c->cfg.slab_bytes;
	geo->nr_devs = c->nr_devs;
	for (nr = 0; nr < c->nr_devs; nr++) {
		struct kfc_place *p = &geo->place[nr];

		p->slabs_at = 1;
		p->nr_slabs = (c->devs[nr]->pages - 1) /
			      (geo->slab_bytes / KFC_PAGE);
		geo->nr_slabs += p->nr_slabs;
	}
	get_random_bytes(&c->hkey, sizeof(c->hkey));
	atomic64_set(&c->order, 1ULL << KFC_EPOCH_SHIFT);
	c->valid_from = 1ULL << KFC_EPOCH_SHIFT;
	c->kept_from = c->valid_from;
	return 0;
}

maybe int kfc_super_store(struct kfc_cache *c, u32 nr)
{
	return 0;
}

maybe int kfc_super_unload(struct kfc_cache *c, bool clean, u64 items)
{
	return 0;
}

maybe int kfc_super_give_up(struct kfc_cache *c, u32 nr)
{
	return 0;
}

maybe void kfc_super_undo(struct kfc_cache *c)
{
}

maybe u64 kfc_super_epoch(const struct kfc_cache *c)
{
	return 1;
}

maybe int kfc_super_rw(struct kfc_dev *d, bool write, u64 page_no,
		       struct page **pages, u32 nr)
{
	return -EIO;
}

maybe void kfc_super_free(struct kfc_cache *c)
{
}

void kfc_stats_print(struct kfc_cache *c, struct kfc_emit *em)
{
	em->line(em, "curr_items", "0");
}

void kfc_stats_settings(struct kfc_cache *c, struct kfc_emit *em)
{
}

void kfc_stats_items(struct kfc_cache *c, struct kfc_emit *em)
{
}

void kfc_stats_slabs(struct kfc_cache *c, struct kfc_emit *em)
{
}

void kfc_stats_reset(struct kfc_cache *c)
{
}

bool kfc_net_conns(struct kfc_cache *c, unsigned long *cursor,
		   struct kfc_emit *em)
{
	return false;
}

bool kfc_bound_fits(const struct kfc_cache *c, u64 more)
{
	return kfc_cache_bound(c) + more < 1ULL << 40;
}

/* Begin a load on the device as it is. Return: as kfc_cache_init() */
int env_load(struct env *e)
{
	int err = kfc_cache_init(&e->c);

	assert(err || !kfc_cmd_init(&e->c));
	return err;
}

/* Forget the cache but for its parameters and its device. */
static void forget(struct env *e)
{
	struct kfc_config cfg = e->c.cfg;

	memset(&e->c, 0, sizeof(e->c));
	memset(&e->counters, 0, sizeof(e->counters));
	e->c.cfg = cfg;
	e->c.counters = &e->counters;
	for (e->c.nr_devs = 0; e->c.nr_devs < e->nr; e->c.nr_devs++)
		e->c.devs[e->c.nr_devs] = &env_dev(e, e->c.nr_devs)->dev;
}

/* A blank device; @nr is for its name. */
void env_dev_new(struct env_dev *d, u64 pages, u32 nr)
{
	memset(d, 0, sizeof(*d));
	d->dev.ops = &env_ops;
	d->dev.pages = pages;
	d->mem = calloc(pages, KFC_PAGE);
	strcpy(d->dev.name, "env");
	if (nr)
		sprintf(d->dev.name, "env%u", nr);
}

u32 env_threads = 2;

/* As env_start(), on devices of so many pages. */
void env_start_set(struct env *e, u32 slab_bytes, u32 memory_slabs,
		   const u64 *pages, u32 nr, u64 index_bytes)
{
	struct kfc_config *cfg = &e->c.cfg;

	memset(e, 0, sizeof(*e));
	cfg->slab_bytes = slab_bytes;
	cfg->memory_bytes = (u64)slab_bytes * memory_slabs;
	cfg->index_bytes = index_bytes;
	cfg->item_max = min_t(u32, 1 << 20, slab_bytes / 2);
	cfg->threads = env_threads;
	cfg->io_depth = 64;
	cfg->read_timeout_ms = 1000;
	cfg->set_wait_ms = 500;
	cfg->dump_enabled = 1;
	cfg->flush_enabled = 1;
	cfg->reinsert_pct = 50;
	waiting = e;
	shim_wait = env_wait;
	for (; e->nr < nr; e->nr++) {
		if (e->nr)
			e->more[e->nr - 1] = calloc(1, sizeof(e->d));
		env_dev_new(env_dev(e, e->nr), pages[e->nr], e->nr);
	}
	forget(e);
	assert(!env_load(e));
}

/* On one device, 0 pages for none. */
void env_start_on(struct env *e, u32 slab_bytes, u32 memory_slabs,
		  u64 device_pages, u64 index_bytes)
{
	env_start_set(e, slab_bytes, memory_slabs, &device_pages,
		      device_pages != 0, index_bytes);
}

void env_start(struct env *e, u32 slab_bytes, u32 memory_slabs,
	       u32 device_slabs, u64 index_bytes)
{
	u64 pages = device_slabs * (slab_bytes / KFC_PAGE);

	env_start_on(e, slab_bytes, memory_slabs, pages ? 1 + pages : 0,
		     index_bytes);
}

/* The device stays as it is, for env_load(). */
void env_unload(struct env *e)
{
	u32 nr;

	drain_devs(e);
	while (kfc_log_step(&e->c))
		drain_devs(e);
	for (nr = 0; nr < e->nr; nr++)
		env_dev(e, nr)->defer = false;
	assert(!atomic_read(&e->c.reads));
	assert(!atomic_read(&e->c.read_pages));
	kfc_cmd_exit(&e->c);
	kfc_cache_exit(&e->c);
	kfc_users_replace(&e->c, NULL);
	assert(!shim_pages);
	forget(e);
}

void env_stop(struct env *e)
{
	u32 nr;

	env_unload(e);
	for (nr = 0; nr < e->nr; nr++)
		free(env_dev(e, nr)->mem);
	for (nr = 1; nr < e->nr; nr++)
		free(e->more[nr - 1]);
}

static void post(struct kfc_client *cl, struct kfc_event *ev)
{
	struct env_client *ec = container_of(cl, struct env_client, cl);

	assert(ec->nr_events < ARRAY_SIZE(ec->events));
	ec->events[ec->nr_events++] = ev;
}

void env_client_init(struct env *e, struct env_client *ec)
{
	memset(ec, 0, sizeof(*ec));
	ec->cl.post = post;
	kfc_client_init(&ec->cl, &e->c);
	mp_parser_init(&ec->parser, e->c.cfg.item_max);
	ec->parser.meta = true;
	ec->parser.binary = true;
	ec->parser.auth = !ec->cl.authed;
	put_bytes(ec, "", 0);
}

/* Carry out what was posted, and send. */
void env_events(struct env_client *ec)
{
	while (ec->nr_events) {
		struct kfc_event *ev = ec->events[0];

		memmove(ec->events, ec->events + 1,
			--ec->nr_events * sizeof(ev));
		ev->fn(ev);
	}
	drain_out(ec);
}

void env_client_exit(struct env *e, struct env_client *ec)
{
	kfc_out_drop(&ec->cl.out);
	kfc_client_close(&ec->cl);
	drain_devs(e);
	env_events(ec);
	assert(!ec->cl.inflight);
	free(ec->answer);
}

/* Time passes, the device and the writer go on. */
maybe void env_busy(struct env *e)
{
	jiffies += 10;
	some_io(e);
	kfc_log_step(&e->c);
	kfc_restart_step(&e->c);
}

/* Run a request to its end. Returns false when it was refused by quit. */
static bool run(struct env *e, struct env_client *ec, const struct mp_req *req,
		const struct kfc_value *val)
{
	for (;;) {
		enum kfc_cmd_ret ret = kfc_cmd_run(&ec->cl, req, val);

		switch (ret) {
		case KFC_CMD_DONE:
			return true;
		case KFC_CMD_CLOSE:
			return false;
		case KFC_CMD_MORE:
			break;
		case KFC_CMD_BUSY:
			env_busy(e);
			break;
		case KFC_CMD_WAIT:
			while (ec->cl.waiting) {
				some_io(e);
				env_events(ec);
			}
			break;
		}
		env_events(ec);
	}
}

static void refuse(struct env_client *ec, const struct mp_req *req,
		   const struct mp_err *err)
{
	if (err->drop_key)
		kfc_cmd_drop_key(&ec->cl, req->key, req->klen);
	kfc_cmd_error(&ec->cl, req, err);
}

/*
 * One request, if it is there whole, as conn.c does it. Returns the bytes it
 * took, 0 for none; *swallow of those that follow are not to be looked at.
 */
size_t env_step(struct env *e, struct env_client *ec, const char *bytes,
		size_t len, u64 *swallow, bool *close)
{
	struct mp_parser before = ec->parser;
	struct kfc_value val = { };
	struct mp_req req;
	struct mp_err err;
	size_t used;

	ec->parser.no_flush = !e->c.cfg.flush_enabled;
	switch (mp_parse(&ec->parser, (const u8 *)bytes, len, &used, &req,
			 &err)) {
	case MP_MORE:
		return used;
	case MP_ERR:
		refuse(ec, &req, &err);
		*swallow = err.swallow;
		*close = err.close;
		return used;
	case MP_REQ:
		break;
	}
	if (mp_has_value(&req)) {
		u32 tail = mp_value_tail(&req);

		if (kfc_cmd_too_large(&ec->cl, &req)) {
			*swallow = (u64)req.vlen + tail;
			return used;
		}
		if (len < used + req.vlen + tail) {
			ec->parser = before;
			return 0;
		}
		val.len = req.vlen;
		val.flat = (const u8 *)bytes + used;
		used += req.vlen + tail;
		if (tail && memcmp(val.flat + val.len, "\r\n", 2)) {
			if (!req.noreply)
				kfc_out_copy(&ec->cl.out, MP_BAD_CHUNK,
					     strlen(MP_BAD_CHUNK));
			return used;
		}
	}
	*close = !run(e, ec, &req, mp_has_value(&req) ? &val : NULL);
	ec->parser.authed = ec->cl.authed;
	return used;
}

/* Feed whole requests; what they answer goes to ec->answer. */
bool env_feed(struct env *e, struct env_client *ec, const char *bytes,
	      size_t len)
{
	bool close = false;

	while (len && !close) {
		u64 swallow = 0;
		size_t used = env_step(e, ec, bytes, len, &swallow, &close);

		if (!used)
			break;
		used += swallow;
		assert(used <= len);
		bytes += used;
		len -= used;
	}
	env_events(ec);
	return !close;
}

static const char *finish(struct env *e, struct env_client *ec)
{
	while (ec->cl.inflight) {
		some_io(e);
		env_events(ec);
	}
	return ec->answer;
}

/* Ask one thing and return all that was answered to it. */
const char *env_ask(struct env *e, struct env_client *ec, const char *fmt, ...)
{
	char line[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	assert(n < (int)sizeof(line));
	ec->len = 0;
	ec->answer[0] = 0;
	env_feed(e, ec, line, n);
	return finish(e, ec);
}

/* A storage command with any bytes for a value. */
const char *env_set(struct env *e, struct env_client *ec, const char *verb,
		    const char *key, u32 flags, long exptime, const void *val,
		    u32 len, const char *more)
{
	char *buf = malloc(len + 600);
	int n = sprintf(buf, "%s %s %u %ld %u%s\r\n", verb, key, flags,
			exptime, len, more);

	memcpy(buf + n, val, len);
	memcpy(buf + n + len, "\r\n", 2);
	ec->len = 0;
	ec->answer[0] = 0;
	env_feed(e, ec, buf, n + len + 2);
	free(buf);
	return finish(e, ec);
}
