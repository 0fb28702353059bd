// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Clients: random commands as text, their answers taken apart again.
 */
#include "observe.h"
#include "pressure.h"
#include "sim.h"

static struct sim_client *clients[SIM_CPUS];
static bool flushing;

/* What a completed read does from any context. */
static void post(struct kfc_client *cl, struct kfc_event *ev)
{
	struct env_client *ec = container_of(cl, struct env_client, cl);

	assert(ec->nr_events < ARRAY_SIZE(ec->events));
	ec->events[ec->nr_events++] = ev;
	sim_wake(container_of(ec, struct sim_client, ec));
}

void sim_clients_start(void)
{
	memset(clients, 0, sizeof(clients));
	flushing = false;
}

void sim_space(struct kfc_cache *c)
{
	u32 i;

	for (i = 0; i < SIM_CPUS; i++)
		if (clients[i])
			sim_wake(clients[i]);
}

static void connect_client(struct sim_client *cl)
{
	env_client_init(&sim_env, &cl->ec);
	cl->ec.cl.post = post;
	if (sim_one_in(2))
		cl->ec.cl.kept = &cl->kept;
	/* In the end all is asked for as text. */
	cl->binary = !sim_calm && sim_below(100) < sim_cfg.binaries;
	cl->quits = false;
}

void sim_client_init(struct sim_client *cl)
{
	clients[cl->id] = cl;
	INIT_LIST_HEAD(&cl->fifo);
	connect_client(cl);
}

/* An operation's answer came. */
void sim_answered(struct sim_client *cl, struct sim_op *op, const char *line,
		  const struct sim_state *got)
{
	list_del_init(&op->fifo);
	cl->nr_fifo--;
	if (op->op == MP_FLUSH_ALL)
		flushing = false;
	model_answer(op, line, got);
}

/* No answer is to come, or none that the model judges. */
void sim_dropped(struct sim_client *cl, struct sim_op *op)
{
	list_del_init(&op->fifo);
	cl->nr_fifo--;
	told_nothing(op);
	model_drop(op);
}

static struct sim_op *first_op(struct sim_client *cl)
{
	if (list_empty(&cl->fifo))
		sim_fail("an answer to nothing");
	return list_first_entry(&cl->fifo, struct sim_op, fifo);
}

/* "VALUE key flags bytes[ cas]", the value, and all keys before: misses. */
static size_t take_value(struct sim_client *cl, const char *p, size_t len)
{
	struct sim_state none = { 0 }, got = { 0 };
	const char *key = p + 6, *at = strchr(key, ' ');
	size_t klen = at - key;
	unsigned int vlen;
	struct sim_op *op;
	int used = 0;

	if (sscanf(at, " %u %u%n", &got.flags, &vlen, &used) < 2)
		sim_fail("a broken answer");
	at += used;
	if (*at == ' ') {
		got.cas = strtoull(at, (char **)&at, 10);
	}
	if (memcmp(at, "\r\n", 2) || p + len < at + 2 + vlen + 2 ||
	    memcmp(at + 2 + vlen, "\r\n", 2))
		sim_fail("a broken value");
	got.val = blob_new(vlen);
	memcpy(got.val->bytes, at + 2, vlen);
	for (;;) {
		op = first_op(cl);
		if (!op->key)
			sim_fail("a value for no key");
		if (op->key->len == klen && !memcmp(op->key->name, key, klen))
			break;
		if (op->last)
			sim_fail("a value that nobody asked for");
		sim_answered(cl, op, MP_END, &none);
	}
	cl->want_end = op->last;
	if (op->op == MP_GAT) {
		op->hit = true;
		op->asks = SIM_SHOWS_VALUE | SIM_SHOWS_FLAGS;
	}
	sim_answered(cl, op, "VALUE", &got);
	return at + 2 + vlen + 2 - p;
}

static void take_line(struct sim_client *cl, const char *line)
{
	struct sim_state none = { 0 };
	struct sim_op *op;
	bool last;

	if (!strcmp(line, MP_END) && cl->want_end) {
		cl->want_end = false;
		return;
	}
	op = first_op(cl);
	if (strcmp(line, MP_END)) {
		if (!op->is_meta && (op->op == MP_GET || op->op == MP_GETS ||
				     op->op == MP_GAT))
			sim_fail("an error in the answer of a get");
		sim_answered(cl, op, line, &none);
		return;
	}
	do {
		op = first_op(cl);
		last = op->last;
		sim_answered(cl, op, line, &none);
	} while (!last);
}

/* Answers are static strings for the model. */
static const char *known(const char *p, size_t len)
{
	static const char *const lines[] = {
		MP_STORED, MP_NOT_STORED, MP_EXISTS, MP_NOT_FOUND, MP_DELETED,
		MP_TOUCHED, MP_OK, MP_END, MP_NON_NUMERIC, MP_TOO_LARGE,
		MP_NO_MEMORY, MP_NO_MEMORY_READ,
	};
	static char number[32];
	u32 i;

	for (i = 0; i < ARRAY_SIZE(lines); i++)
		if (len == strlen(lines[i]) && !memcmp(p, lines[i], len))
			return lines[i];
	if (*p < '0' || *p > '9' || len >= sizeof(number))
		sim_fail("an unknown answer: %.*s", (int)len, p);
	memcpy(number, p, len);
	number[len] = 0;
	return number;
}

static void take_answers(struct sim_client *cl)
{
	struct env_client *ec = &cl->ec;
	size_t at = 0;

	while (at < ec->whole) {
		const char *p = ec->answer + at, *end;
		struct sim_op *op = cl->want_end ? NULL : first_op(cl);
		size_t used = 0;

		if (cl->binary)
			used = sim_binary_answer(cl, p, ec->whole - at);
		else if (op && op->is_meta)
			used = sim_meta_answer(cl, op, p, ec->whole - at);
		if (used) {
			at += used;
			continue;
		}
		if (!strncmp(p, "VALUE ", 6)) {
			at += take_value(cl, p, ec->whole - at);
			continue;
		}
		end = memchr(p, '\n', ec->whole - at);
		if (!end)
			sim_fail("half an answer");
		at += end + 1 - p;
		take_line(cl, known(p, end + 1 - p));
	}
	ec->len -= at;
	memmove(ec->answer, ec->answer + at, ec->len + 1);
	ec->whole = 0;
	if (!cl->nr_fifo)
		cl->tokens = 0;
}

/* Misses for want of memory are explained by each allocation that failed. */
static void note_failures(struct sim_client *cl)
{
	u64 n = sim_failed_here();

	cl->tokens += n - cl->failed;
	cl->failed = n;
}

static void events(struct sim_client *cl)
{
	struct sim_op *now = cl->now;

	/* What happens here is not the present command's doing. */
	cl->now = NULL;
	if (sim_one_in(8))
		kfc_cmd_tick(&cl->ec.cl);
	if (cl->ec.stalled) {
		kfc_stream_dry(&cl->ec.cl);
		cl->ec.stalled = time_before(jiffies, cl->stalled_to);
	} else if (kfc_rare("reader_slow")) {
		cl->ec.stalled = true;
		cl->stalled_to = jiffies + sim_below(500);
	} else if (kfc_rare("reader_stops")) {
		cl->ec.most = 1 + sim_below(1 << sim_below(14));
		cl->stalled_to = jiffies + sim_below(500);
	}
	env_events(&cl->ec);
	model_settle();
	cl->now = now;
	note_failures(cl);
	take_answers(cl);
}

static void nap(struct sim_client *cl)
{
	u32 ms = 1 + sim_below(10);

	if (!cl->ec.nr_events)
		sim_sleep(cl, ms);
	kfc_cmd_tick(&cl->ec.cl);
	events(cl);
}

static void run(struct sim_client *cl, const struct mp_req *req,
		const struct kfc_value *val, struct sim_op *op)
{
	enum kfc_cmd_ret ret;

	do {
		cl->now = op;
		ret = kfc_cmd_run(&cl->ec.cl, req, val);
		model_settle();
		cl->now = NULL;
		note_failures(cl);
		if (ret == KFC_CMD_BUSY)
			nap(cl);
		while (ret == KFC_CMD_WAIT && cl->ec.cl.waiting)
			nap(cl);
	} while (ret == KFC_CMD_BUSY || ret == KFC_CMD_WAIT);
	if (op->noreply)
		sim_dropped(cl, op);
}

struct sim_op *sim_new_op(struct sim_client *cl, enum mp_op kind,
			  struct sim_key *key)
{
	struct sim_op *op = calloc(1, sizeof(*op));

	op->op = kind;
	op->cl = cl;
	op->key = key;
	op->last = true;
	list_add_tail(&op->fifo, &cl->fifo);
	cl->nr_fifo++;
	return op;
}

/* Parse and run what is in @text; @op is what its keys belong to, in order. */
static void feed(struct sim_client *cl, const char *text, size_t len,
		 struct sim_op *op)
{
	while (len) {
		struct kfc_value val = { 0 };
		struct sim_op *next;
		struct mp_req req;
		struct mp_err err;
		size_t used;

		switch (mp_parse(&cl->ec.parser, (const u8 *)text, len, &used,
				 &req, &err)) {
		case MP_REQ:
			break;
		case MP_ERR:
			/* Larger than item_max: refused before its value. */
			model_begin(op);
			cl->now = op;
			if (err.drop_key)
				kfc_cmd_drop_key(&cl->ec.cl, req.key,
						 req.klen);
			model_settle();
			cl->now = NULL;
			kfc_cmd_error(&cl->ec.cl, &req, &err);
			/* Behind the value that it had. */
			text += used + err.swallow;
			len -= used + err.swallow;
			op = list_entry(op->fifo.next, struct sim_op, fifo);
			continue;
		case MP_MORE:
			return;
		}
		text += used;
		len -= used;
		if (mp_has_value(&req)) {
			val.len = req.vlen;
			val.flat = (const u8 *)text;
			text += req.vlen + mp_value_tail(&req);
			len -= req.vlen + mp_value_tail(&req);
		}
		next = list_entry(op->fifo.next, struct sim_op, fifo);
		model_begin(op);
		run(cl, &req, mp_has_value(&req) ? &val : NULL, op);
		op = next;
	}
}

struct sim_blob *sim_random_value(void)
{
	u32 len = sim_below(2 << sim_below(14)), i;
	struct sim_blob *b;
	u64 x;

	if (sim_one_in(6)) {
		b = blob_new(20);
		b->len = sprintf(b->bytes, "%u", sim_below(2000));
		return b;
	}
	if (sim_one_in(2))
		len = sim_below(sim_cfg.value_max);
	if (len > sim_cfg.value_max && !sim_one_in(200))
		len %= sim_cfg.value_max;
	b = blob_new(len);
	x = sim_rand();
	for (i = 0; i < len; i++) {
		if (!(i % 8))
			x = sim_mix(x);
		b->bytes[i] = 'a' + (x >> i % 8 * 8 & 0xff) % 26;
	}
	return b;
}

s64 sim_random_expiry(void)
{
	switch (sim_below(12)) {
	case 0:
		return -1;
	case 1:
	case 2:
		return sim_now() + 1 + sim_below(30);
	case 3:
		return 1 + sim_below(30);
	default:
		return 0;
	}
}

/* Some keys are asked for more often. */
struct sim_key *sim_random_key(void)
{
	u32 n = sim_cfg.keys;

	if (sim_one_in(2))
		n = 1 + sim_below(n);
	return &sim_keys[sim_below(n)];
}

char sim_text[1 << 18];

void sim_send(struct sim_client *cl, struct sim_op *op, size_t len)
{
	char *copy = malloc(len);

	memcpy(copy, sim_text, len);
	feed(cl, copy, len, op);
	free(copy);
}

static void store(struct sim_client *cl, enum mp_op kind, const char *verb)
{
	struct sim_op *op = sim_new_op(cl, kind, sim_random_key());
	size_t n;

	op->val = sim_random_value();
	op->flags = sim_below(3);
	op->exptime = sim_random_expiry();
	op->noreply = sim_one_in(20) && op->val->len < 1000;
	n = sprintf(sim_text, "%s %s %u %lld %u", verb, op->key->name, op->flags,
		    op->exptime, op->val->len);
	if (kind == MP_CAS) {
		op->cas = sim_one_in(8) ? sim_rand() >> 1 : op->key->cur.cas;
		n += sprintf(sim_text + n, " %llu", op->cas);
	}
	n += sprintf(sim_text + n, "%s\r\n", op->noreply ? " noreply" : "");
	memcpy(sim_text + n, op->val->bytes, op->val->len);
	n += op->val->len;
	memcpy(sim_text + n, "\r\n", 2);
	sim_send(cl, op, n + 2);
}

static void get(struct sim_client *cl, bool gets)
{
	u32 k = sim_random_key() - sim_keys, nr = 1 + sim_below(4);
	struct sim_op *first = NULL;
	size_t n = sprintf(sim_text, gets ? "gets" : "get");

	/* A key of a line comes once: else nobody knows whose miss it was. */
	for (nr = min(nr, sim_cfg.keys - k); nr; nr--, k++) {
		struct sim_op *op;

		op = sim_new_op(cl, gets ? MP_GETS : MP_GET, &sim_keys[k]);
		op->last = nr == 1;
		if (!first)
			first = op;
		n += sprintf(sim_text + n, " %s", op->key->name);
	}
	n += sprintf(sim_text + n, "\r\n");
	sim_send(cl, first, n);
}

static void change(struct sim_client *cl, enum mp_op kind)
{
	struct sim_op *op = sim_new_op(cl, kind, sim_random_key());
	size_t n = 0;

	switch (kind) {
	case MP_DELETE:
		n = sprintf(sim_text, "delete %s", op->key->name);
		break;
	case MP_INCR:
	case MP_DECR:
		op->delta = sim_below(100);
		n = sprintf(sim_text, "%s %s %llu", kind == MP_INCR ? "incr" :
			    "decr", op->key->name, op->delta);
		break;
	case MP_TOUCH:
		op->exptime = sim_random_expiry();
		n = sprintf(sim_text, "touch %s %lld", op->key->name, op->exptime);
		break;
	default:
		op->exptime = sim_random_expiry();
		n = sprintf(sim_text, "gat %lld %s", op->exptime, op->key->name);
		break;
	}
	n += sprintf(sim_text + n, "\r\n");
	sim_send(cl, op, n);
}

/* One at a time: of two nobody knows which one is the delayed one. */
bool sim_flush_begin(void)
{
	if (flushing)
		return false;
	flushing = true;
	return true;
}

static void flush_all(struct sim_client *cl)
{
	struct sim_op *op;
	size_t n;

	if (!sim_flush_begin())
		return;
	op = sim_new_op(cl, MP_FLUSH_ALL, NULL);
	op->exptime = sim_one_in(2) ? 0 : 1 + sim_below(20);
	n = op->exptime ? sprintf(sim_text, "flush_all %lld\r\n", op->exptime) :
	    sprintf(sim_text, "flush_all\r\n");
	sim_send(cl, op, n);
}

/* The connection goes, whatever is under way. */
static void hang_up(struct sim_client *cl)
{
	struct sim_op *op, *next;

	kfc_out_drop(&cl->ec.cl.out);
	kfc_client_close(&cl->ec.cl);
	list_for_each_entry_safe(op, next, &cl->fifo, fifo) {
		list_del_init(&op->fifo);
		if (op->op == MP_FLUSH_ALL)
			flushing = false;
		told_nothing(op);
		model_drop(op);
	}
	cl->nr_fifo = 0;
	cl->want_end = false;
	while (cl->ec.cl.inflight)
		nap(cl);
	free(cl->ec.answer);
}

static void command(struct sim_client *cl)
{
	if (cl->binary) {
		sim_binary_command(cl);
		return;
	}
	if (sim_below(100) < sim_cfg.sets) {
		store(cl, MP_SET, "set");
		return;
	}
	if (sim_below(100) < sim_cfg.metas) {
		sim_meta_command(cl);
		return;
	}
	switch (sim_below(64)) {
	case 0 ... 17:
		store(cl, MP_SET, "set");
		break;
	case 18 ... 20:
		store(cl, MP_ADD, "add");
		break;
	case 21 ... 22:
		store(cl, MP_REPLACE, "replace");
		break;
	case 23 ... 24:
		store(cl, MP_APPEND, "append");
		break;
	case 25 ... 26:
		store(cl, MP_PREPEND, "prepend");
		break;
	case 27 ... 29:
		store(cl, MP_CAS, "cas");
		break;
	case 30 ... 33:
		change(cl, MP_DELETE);
		break;
	case 34 ... 36:
		change(cl, sim_one_in(2) ? MP_INCR : MP_DECR);
		break;
	case 37 ... 38:
		change(cl, MP_TOUCH);
		break;
	case 39 ... 40:
		change(cl, MP_GAT);
		break;
	case 41:
		if (sim_one_in(8))
			flush_all(cl);
		break;
	case 42:
		if (sim_one_in(3)) {
			hang_up(cl);
			connect_client(cl);
		}
		break;
	case 43 ... 48:
		get(cl, true);
		break;
	default:
		get(cl, false);
		break;
	}
}

/* Until there are few answers to come, or none will any more. */
static void wait_answers(struct sim_client *cl, u32 few)
{
	while (cl->nr_fifo > few && !cl->ec.cl.out.failed)
		nap(cl);
}

/* What is queued is sent before the connection goes. */
static void quit(struct sim_client *cl)
{
	while (!list_empty(&cl->ec.cl.out.nodes) && !cl->ec.cl.out.failed)
		nap(cl);
	if (!cl->ec.cl.out.failed)
		sim_binary_end(cl);
	hang_up(cl);
	connect_client(cl);
}

static void finish(struct sim_client *cl)
{
	wait_answers(cl, 0);
	while (cl->ec.cl.inflight)
		nap(cl);
}

static void jump(void)
{
	unsigned long ms = sim_one_in(2) ? sim_below(3000) : 0;

	sim_time_jump(ms, sim_below(60));
}

/* Whoever allocates is the one to ask; and no more than may be had is lost. */
static void press(void)
{
	struct kfc_cache *c = &sim_env.c;
	u32 least = min(c->log.want_bufs, kfc_log_least(&c->log));
	u64 pages = sim_below(4 * c->log.slab_pages);

	if (kfc_pressure_give(c, pages) && sim_one_in(2))
		kfc_pressure_give(c, pages);
	if (c->log.want_bufs < least)
		sim_fail("%u buffers are too few", c->log.want_bufs);
}

int sim_client_run(void *arg)
{
	struct sim_client *cl = arg;
	u32 i;

	cl->failed = sim_failed_here();
	model_set_client(cl);
	for (i = 0; i < sim_cfg.ops && !sim_cut; i++) {
		if (sim_fault("clock jump"))
			jump();
		if (sim_fault("memory pressure"))
			press();
		command(cl);
		if (cl->binary && sim_one_in(128)) {
			hang_up(cl);
			connect_client(cl);
		}
		events(cl);
		if (cl->quits)
			quit(cl);
		wait_answers(cl, sim_cfg.pipeline);
		if (cl->ec.cl.out.failed) {
			sim_cause("closed in a value");
			hang_up(cl);
			connect_client(cl);
		}
	}
	finish(cl);
	hang_up(cl);
	kfc_pages_trim(&cl->kept, 0);
	clients[cl->id] = NULL;
	model_set_client(NULL);
	return 0;
}

static u64 lost_reads(void)
{
	struct kfc_counters n;

	model_sum(&n);
	return n.read_errors + n.bad_body + n.read_timeouts;
}

/* In the end, when nothing goes wrong any more: what is there is there. */
void sim_client_get_all(struct sim_client *cl)
{
	u32 k;

	cl->failed = sim_failed_here();
	model_set_client(cl);
	for (k = 0; k < sim_cfg.keys; k++) {
		struct sim_op *op = sim_new_op(cl, MP_GETS, &sim_keys[k]);
		size_t n = sprintf(sim_text, "gets %s\r\n", op->key->name);
		u64 lost = lost_reads();

		sim_send(cl, op, n);
		finish(cl);
		if (cl->ec.cl.out.failed) {
			if (lost_reads() == lost)
				sim_fail("half a value when there was no fault");
			/* The device, and what lies on it, are as they are. */
			hang_up(cl);
			connect_client(cl);
			k--;
			continue;
		}
	}
	hang_up(cl);
	kfc_pages_trim(&cl->kept, 0);
	clients[cl->id] = NULL;
	model_set_client(NULL);
}
