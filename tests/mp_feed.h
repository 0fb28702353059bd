/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Feed bytes to mp_parse() as a connection would, and write down what comes
 * out. For the unit tests and the fuzzer of libmp.
 *
 * mp_parse() always gets a heap copy of exactly the unconsumed bytes, so that
 * the address sanitizer sees any read outside them.
 */
#ifndef MP_FEED_H
#define MP_FEED_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../libmp/mp.h"
#include "must.h"

struct feed_log {
	char *s;
	size_t len;
	size_t size;
};

struct feed {
	struct mp_parser p;
	struct feed_log log;
	const u8 *in;
	size_t len;
	size_t have;		/* bytes that have "arrived" */
	size_t pos;		/* bytes consumed */
	u64 skip;		/* bytes of a value still to skip */
	size_t line;		/* where the present line began */
	bool fresh;		/* at the beginning of a line */
	bool closed;
	unsigned int events;
	/*
	 * Lines longer than MP_LINE_MAX may be taken otherwise when they come
	 * in pieces: set, such a line leaves one same note whatever it did.
	 */
	bool blur;
	size_t line_log;	/* length of the log when the line began */
	bool line_failed;
};

__attribute__((format(printf, 2, 3), unused))
static void feed_note(struct feed_log *l, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (l->size - l->len < 4096) {
		l->size = l->size * 2 + 8192;
		l->s = realloc(l->s, l->size);
		MUST(l->s);
	}
	va_start(ap, fmt);
	n = vsnprintf(l->s + l->len, l->size - l->len, fmt, ap);
	va_end(ap);
	MUST(n >= 0 && (size_t)n < l->size - l->len);
	l->len += (size_t)n;
}

static const char *const feed_ops[MP_OP_NR] = {
	[MP_GET] = "get", [MP_GETS] = "gets", [MP_GAT] = "gat",
	[MP_GATS] = "gats", [MP_SET] = "set", [MP_ADD] = "add",
	[MP_REPLACE] = "replace", [MP_APPEND] = "append",
	[MP_PREPEND] = "prepend", [MP_CAS] = "cas", [MP_DELETE] = "delete",
	[MP_INCR] = "incr", [MP_DECR] = "decr", [MP_TOUCH] = "touch",
	[MP_FLUSH_ALL] = "flush_all", [MP_VERSION] = "version",
	[MP_VERBOSITY] = "verbosity", [MP_STATS] = "stats",
	[MP_CACHE_MEMLIMIT] = "cache_memlimit", [MP_SHUTDOWN] = "shutdown",
	[MP_QUIT] = "quit", [MP_METADUMP] = "metadump",
};

/* Short words as they are, long ones by length and a sum of their bytes. */
static void feed_word(struct feed_log *l, const char *name, const u8 *p,
		      size_t n)
{
	unsigned int sum = 0;
	size_t i;

	feed_note(l, " %s=", name);
	if (n <= 40) {
		for (i = 0; i < n; i++) {
			if (p[i] > ' ' && p[i] < 127 && p[i] != '\\')
				feed_note(l, "%c", p[i]);
			else
				feed_note(l, "\\x%02x", p[i]);
		}
		return;
	}
	for (i = 0; i < n; i++)
		sum = sum * 31 + p[i];
	feed_note(l, "<%zu,%08x>", n, sum);
}

static bool feed_has_value(enum mp_op op)
{
	return op >= MP_SET && op <= MP_CAS;
}

static void feed_inside(const u8 *p, size_t n, const u8 *buf, size_t used)
{
	MUST(p >= buf && n <= used && (size_t)(p - buf) <= used - n);
}

/* What is dumped, and its lines, into just the room that mp.h promises. */
static void feed_dump(const struct mp_req *r)
{
	struct mp_dump_item it = { .key = r->arg, .exptime = ~0u, .time = ~0u,
		.vlen = ~0u, .cls = ~0u, .cas = ~0ULL, .size = ~0ULL };
	char *meta = malloc(MP_METADUMP_MAX), *list = malloc(MP_CACHEDUMP_MAX);
	u32 cls = 0;
	size_t n;
	u64 num;

	it.klen = r->arg_len < MP_KEY_MAX ? r->arg_len : MP_KEY_MAX;
	n = mp_put_metadump(meta, &it);
	MUST(n <= MP_METADUMP_MAX && meta[n - 1] == '\n');
	MUST(!memchr(meta, '\n', n - 1) && !memchr(meta, 0, n));
	MUST(mp_put_cachedump(list, &it) <= MP_CACHEDUMP_MAX);
	mp_dump_classes(r->arg, r->arg_len, &num);
	if (r->op == MP_STATS && mp_is_cachedump(r) &&
	    !mp_cachedump(r, &cls, &num))
		MUST(cls < 64);
	free(meta);
	free(list);
}

static void feed_req(struct feed *f, const struct mp_req *r, const u8 *buf,
		     size_t used)
{
	struct feed_log *l = &f->log;
	bool key = true;
	size_t i;

	MUST(r->op < MP_OP_NR);
	feed_note(l, "%s", feed_ops[r->op]);
	switch (r->op) {
	case MP_FLUSH_ALL:
	case MP_VERSION:
	case MP_VERBOSITY:
	case MP_STATS:
	case MP_CACHE_MEMLIMIT:
	case MP_SHUTDOWN:
	case MP_QUIT:
	case MP_METADUMP:
		key = false;
		break;
	default:
		break;
	}
	if (key) {
		MUST(r->klen >= 1 && r->klen <= MP_KEY_MAX);
		feed_inside(r->key, r->klen, buf, used);
		for (i = 0; i < r->klen; i++)
			MUST(r->key[i] != ' ' && r->key[i] != '\n' &&
			     r->key[i]);
		feed_word(l, "k", r->key, r->klen);
	} else {
		MUST(!r->klen);
	}
	if (feed_has_value(r->op)) {
		MUST(r->vlen <= f->p.item_max);
		feed_note(l, " f=%u e=%lld v=%u", r->flags, r->exptime, r->vlen);
		f->skip = (u64)r->vlen + 2;
	} else {
		MUST(!r->vlen && !r->flags);
	}
	if (r->op == MP_CAS)
		feed_note(l, " c=%llu", r->cas);
	if (r->op == MP_TOUCH || r->op == MP_GAT || r->op == MP_GATS ||
	    r->op == MP_FLUSH_ALL)
		feed_note(l, " e=%lld", r->exptime);
	if (r->op == MP_INCR || r->op == MP_DECR || r->op == MP_CACHE_MEMLIMIT)
		feed_note(l, " d=%llu", r->delta);
	if (r->arg_len) {
		MUST(r->op == MP_STATS || r->op == MP_METADUMP);
		feed_inside(r->arg, r->arg_len, buf, used);
		MUST(r->arg[0] != ' ' && r->arg[r->arg_len - 1] != ' ');
		feed_word(l, "arg", r->arg, r->arg_len);
		feed_dump(r);
	}
	if (r->noreply) {
		MUST(r->op > MP_GATS);
		feed_note(l, " noreply");
	}
	if (r->last) {
		MUST(r->op <= MP_GATS);
		feed_note(l, " last");
	}
	feed_note(l, "; ");
}

static void feed_err(struct feed *f, const struct mp_req *r,
		     const struct mp_err *e, const u8 *buf, size_t used)
{
	struct feed_log *l = &f->log;
	size_t n;

	feed_note(l, "ERR");
	if (e->line) {
		n = strlen(e->line);
		MUST(n > 2 && !strcmp(e->line + n - 2, "\r\n"));
		feed_note(l, " %.*s", (int)(n - 2), e->line);
	}
	if (e->swallow) {
		MUST(e->swallow >= 2 && e->swallow <= 0x7fffffff);
		feed_note(l, " swallow=%llu", e->swallow);
		f->skip = e->swallow;
	}
	if (e->drop_key) {
		MUST(r->klen >= 1 && r->klen <= MP_KEY_MAX);
		feed_inside(r->key, r->klen, buf, used);
		feed_word(l, "drop", r->key, r->klen);
	}
	if (e->close) {
		feed_note(l, " close");
		f->closed = true;
	}
	feed_note(l, "; ");
}

static void feed_start(struct feed *f, const u8 *in, size_t len, u32 item_max)
{
	memset(f, 0, sizeof(*f));
	mp_parser_init(&f->p, item_max);
	f->in = in;
	f->len = len;
	f->fresh = true;
	feed_note(&f->log, "%s", "");
}

static void feed_end(struct feed *f)
{
	free(f->log.s);
}

static bool feed_long(const struct feed *f)
{
	size_t n = f->len - f->line;

	if (n > MP_LINE_MAX + 1)
		n = MP_LINE_MAX + 1;
	return !memchr(f->in + f->line, '\n', n) &&
		f->len - f->line > MP_LINE_MAX;
}

/* A long line that is taken as a get however it comes. */
static bool feed_long_get(const struct feed *f)
{
	const u8 *s = f->in + f->line;
	const u8 *end = f->in + f->len;
	const u8 *cmd;

	while (s < end && *s == ' ')
		s++;
	if (s - (f->in + f->line) > 100)
		return false;
	for (cmd = s; s < end && *s != ' '; s++)
		;
	if (s - cmd < 3 || s - cmd > 4 || (s - cmd == 4 && cmd[3] != 's'))
		return false;
	if (!memcmp(cmd, "get", 3))
		return true;
	if (memcmp(cmd, "gat", 3))
		return false;
	while (s < end && *s == ' ')
		s++;
	for (cmd = s; s < end && *s != ' '; s++)
		;
	return s - cmd < MP_LINE_MAX;
}

/* What a long line left behind, made the same for all ways to cut it up. */
static void feed_blur(struct feed *f)
{
	if (!f->blur || !feed_long(f))
		return;
	if (f->closed || f->line_failed || !feed_long_get(f)) {
		f->log.len = f->line_log;
		feed_note(&f->log, "long; ");
		/* closed in one way, gone on in another: nothing to compare */
		f->closed = true;
	}
}

/* Where the line begins that the next call is to take. */
static void feed_line(struct feed *f)
{
	const u8 *lf;

	if (!f->fresh)
		return;
	f->line = f->pos;
	if (f->p.skip_line) {
		lf = memchr(f->in + f->pos, '\n', f->len - f->pos);
		if (lf)
			f->line = (size_t)(lf - f->in) + 1;
	}
	f->line_log = f->log.len;
	f->line_failed = false;
}

/* Let the bytes up to @have arrive, and take all that can be taken. */
static void feed_to(struct feed *f, size_t have)
{
	MUST(have >= f->have && have <= f->len);
	f->have = have;
	while (!f->closed) {
		size_t n = f->have - f->pos;
		enum mp_status st;
		struct mp_req req;
		struct mp_err err;
		size_t used;
		u8 *buf;

		if (f->skip) {
			if (n > f->skip)
				n = (size_t)f->skip;
			f->pos += n;
			f->skip -= n;
			if (f->skip)
				return;
			n = f->have - f->pos;
		}
		feed_line(f);
		buf = malloc(n);
		MUST(buf || !n);
		if (n)
			memcpy(buf, f->in + f->pos, n);
		memset(&req, 0xa5, sizeof(req));
		memset(&err, 0xa5, sizeof(err));
		used = (size_t)-1;
		st = mp_parse(&f->p, buf, n, &used, &req, &err);
		MUST(used <= n);
		f->events++;
		MUST(f->events <= 2 * f->len + 100000);
		if (st == MP_REQ) {
			MUST(used);
			feed_req(f, &req, buf, used);
		} else if (st == MP_ERR) {
			MUST(used);
			f->line_failed = true;
			feed_err(f, &req, &err, buf, used);
		} else {
			MUST(st == MP_MORE);
			MUST(n - used <= MP_LINE_MAX);
		}
		free(buf);
		f->pos += used;
		f->fresh = !f->p.in_keys;
		if (st != MP_MORE && f->fresh)
			feed_blur(f);
		if (st == MP_MORE)
			return;
	}
}

#endif /* MP_FEED_H */
