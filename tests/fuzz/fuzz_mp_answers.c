// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * libmp's answers to any request, about any item: into buffers of just the size
 * that mp.h promises to be enough, and read back by other code than wrote them.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../libmp/mp.h"
#include "../must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const u8 *p, *end;
};

/* What there is no more of is zero. */
static u64 take(struct input *in, unsigned int bytes)
{
	u64 v = 0;

	while (bytes--)
		v = v << 8 | (in->p < in->end ? *in->p++ : 0);
	return v;
}

/* Numbers at the edges are longer, or shorter, than others. */
static u64 take_number(struct input *in)
{
	unsigned int kind = (unsigned int)take(in, 1);

	switch (kind & 7) {
	case 0:
		return 0;
	case 1:
		return take(in, 1);
	case 2:
		return 0xffffffff - take(in, 1);
	case 3:
		return 0x100000000ULL + take(in, 1);
	case 4:
		return 0 - take(in, 1) - 1;
	case 5:
		return 10000000000000000000ULL - (kind >> 3 & 1);
	default:
		return take(in, kind & 1 ? 8 : 4);
	}
}

/* A copy that the sanitizer guards, of 1 to @max bytes. */
static u8 *take_bytes(struct input *in, size_t max, u8 *len)
{
	size_t n = 1 + take(in, 1) % max, i;
	u8 *p = malloc(n);

	MUST(p);
	for (i = 0; i < n; i++)
		p[i] = (u8)take(in, 1);
	*len = (u8)n;
	return p;
}

static char *room(size_t n)
{
	char *p = malloc(n);

	MUST(p);
	return p;
}

/* Reading: what comes next has to be @s, or a number, or bytes. */
struct text {
	const char *p, *end;
};

static void skip(struct text *t, const char *s)
{
	size_t n = strlen(s);

	MUST((size_t)(t->end - t->p) >= n && !memcmp(t->p, s, n));
	t->p += n;
}

static void skip_bytes(struct text *t, const void *s, size_t n)
{
	MUST((size_t)(t->end - t->p) >= n && !memcmp(t->p, s, n));
	t->p += n;
}

static void skip_number(struct text *t, u64 want)
{
	char s[32];

	sprintf(s, "%llu", want);
	skip(t, s);
	MUST(t->p == t->end || *t->p < '0' || *t->p > '9');
}

static void skip_signed(struct text *t, s64 want)
{
	if (want < 0)
		skip(t, "-");
	skip_number(t, want < 0 ? 0 - (u64)want : (u64)want);
}

static void skip_end(struct text *t, const char *end)
{
	skip(t, end);
	MUST(t->p == t->end);
}

static void value_head(struct input *in)
{
	u32 flags = (u32)take_number(in), vlen = (u32)take_number(in);
	u64 cas = take_number(in);
	char *dst = room(MP_VALUE_HEAD_MAX);
	bool with = take(in, 1) & 1;
	struct text t;
	size_t n;
	u8 klen;
	u8 *key = take_bytes(in, MP_KEY_MAX, &klen);

	n = mp_put_value_head(dst, key, klen, flags, vlen, with ? &cas : NULL);
	MUST(n <= MP_VALUE_HEAD_MAX);
	t = (struct text){ dst, dst + n };
	skip(&t, "VALUE ");
	skip_bytes(&t, key, klen);
	skip(&t, " ");
	skip_number(&t, flags);
	skip(&t, " ");
	skip_number(&t, vlen);
	if (with) {
		skip(&t, " ");
		skip_number(&t, cas);
	}
	skip_end(&t, "\r\n");
	free(key);
	free(dst);
}

static void skip_key(struct text *t, const struct mp_req *r, bool base64)
{
	u8 again[MP_BASE64_LEN(MP_KEY_MAX)];
	const char *end;

	if (!base64) {
		skip_bytes(t, r->key, r->klen);
		return;
	}
	for (end = t->p; end < t->end && *end != ' ' && *end != '\r'; end++)
		;
	MUST((size_t)(end - t->p) == MP_BASE64_LEN(r->klen));
	MUST(mp_base64_decode(again, (const u8 *)t->p,
			      (size_t)(end - t->p)) == r->klen);
	MUST(!memcmp(again, r->key, r->klen));
	t->p = end;
}

/* A time to live: past its end counts as at it, and 32 bits are the most. */
static s64 told_ttl(s64 ttl)
{
	if (ttl == MP_TTL_NONE)
		return -1;
	return ttl < 0 ? 0 : ttl > 0xffffffff ? 0xffffffff : ttl;
}

static void take_item(struct input *in, struct mp_meta_item *it)
{
	u32 bits = (u32)take(in, 1);

	it->size = (u32)take_number(in);
	it->flags = (u32)take_number(in);
	it->cas = take_number(in);
	it->ttl = (s64)take_number(in);
	it->ttl_new = (s64)take_number(in);
	it->ttl_made = (s64)take_number(in);
	it->idle = (u32)take_number(in);
	it->fetched = bits & 1;
	it->created = bits & 2;
	it->base64 = bits & 4;
	it->won = bits & 8;
	it->stale = bits & 16;
	it->sent = bits & 32;
}

/* Any flags, each once, in any order; that is what the parser lets through. */
static void take_meta(struct input *in, struct mp_req *r)
{
	static const char flags[] = "bcfhklqstvOTNRIECDFJMPL";
	static const enum mp_op ops[] = {
		MP_META_GET, MP_META_SET, MP_META_DELETE, MP_META_ARITH,
	};
	struct mp_meta *m = &r->meta;
	u32 n = (u32)take(in, 1) % (MP_META_FLAGS_MAX + 1);

	memset(r, 0xa5, sizeof(*r));
	memset(m, 0, sizeof(*m));
	r->op = ops[take(in, 1) % 4];
	while (n--) {
		char f = flags[take(in, 1) % (sizeof(flags) - 1)];

		if (m->given & mp_meta_bit(f))
			continue;
		m->given |= mp_meta_bit(f);
		m->order[m->nr++] = f;
	}
	if (m->given & mp_meta_bit('O')) {
		u8 *opaque = take_bytes(in, MP_META_OPAQUE_MAX,
					&m->opaque_len);

		memcpy(m->opaque, opaque, m->opaque_len);
		free(opaque);
	}
}

/* One of the flags that tell of the item. False if it says nothing. */
static bool skip_fact(struct text *t, const struct mp_req *r, char flag,
		      const struct mp_meta_item *it, s64 ttl)
{
	const char *told = r->op == MP_META_GET ? "cfhlst" :
			   r->op == MP_META_SET ? "cs" :
			   r->op == MP_META_ARITH ? "ct" : "";
	char word[3] = { ' ', flag };

	if (!it || !strchr(told, flag))
		return false;
	skip(t, word);
	switch (flag) {
	case 'c':
		skip_number(t, it->cas);
		break;
	case 'f':
		skip_number(t, it->flags);
		break;
	case 'h':
		skip_number(t, it->fetched);
		break;
	case 'l':
		skip_number(t, it->idle);
		break;
	case 's':
		skip_number(t, it->size);
		break;
	default:
		skip_signed(t, told_ttl(ttl));
		break;
	}
	return true;
}

static void read_meta_head(struct text *t, const char *code,
			   const struct mp_req *r,
			   const struct mp_meta_item *it)
{
	bool base64 = mp_meta_has(r, 'b');
	s64 ttl = it ? it->ttl : 0;
	unsigned int i;

	if (it && r->op == MP_META_GET)
		base64 = it->base64;
	skip(t, code);
	if (it && !strcmp(code, "VA")) {
		skip(t, " ");
		skip_number(t, it->size);
	}
	for (i = 0; i < r->meta.nr; i++) {
		char flag = r->meta.order[i];

		if (flag == 'O') {
			skip(t, " O");
			skip_bytes(t, r->meta.opaque, r->meta.opaque_len);
		} else if (flag == 'k') {
			skip(t, " k");
			skip_key(t, r, base64);
			if (base64)
				skip(t, " b");
		} else if (!skip_fact(t, r, flag, it, ttl) && it) {
			if (flag == 'T')
				ttl = it->ttl_new;
			if (flag == 'N' && it->created)
				ttl = it->ttl_made;
		}
	}
	if (it && r->op == MP_META_GET) {
		if (it->sent)
			skip(t, " Z");
		if (it->stale)
			skip(t, " X");
		if (it->won)
			skip(t, " W");
	}
	skip_end(t, "\r\n");
}

static void meta(struct input *in)
{
	static const char *const codes[] = { "VA", "HD", "EN", "NS", "EX", "NF" };
	u32 which = (u32)take(in, 1), cls = (u32)take_number(in);
	const char *code = codes[which % 6];
	struct mp_meta_item it;
	struct mp_req req;
	struct text t;
	char *dst;
	size_t n;
	u8 *key;

	take_meta(in, &req);
	take_item(in, &it);
	key = take_bytes(in, MP_KEY_MAX, &req.klen);
	req.key = key;

	dst = room(MP_META_HEAD_MAX);
	n = mp_put_meta_head(dst, code, &req, which & 64 ? NULL : &it);
	MUST(n <= MP_META_HEAD_MAX);
	t = (struct text){ dst, dst + n };
	read_meta_head(&t, code, &req, which & 64 ? NULL : &it);
	free(dst);

	dst = room(MP_META_DEBUG_MAX);
	n = mp_put_meta_debug(dst, &req, &it, cls);
	MUST(n <= MP_META_DEBUG_MAX);
	t = (struct text){ dst, dst + n };
	skip(&t, "ME ");
	skip_key(&t, &req, it.base64);
	skip(&t, it.ttl > 0 ? " exp=-" : " exp=");
	skip_signed(&t, told_ttl(it.ttl));
	skip(&t, " la=");
	skip_number(&t, it.idle);
	skip(&t, " cas=");
	skip_number(&t, it.cas);
	skip(&t, it.fetched ? " fetch=yes cls=" : " fetch=no cls=");
	skip_number(&t, cls);
	skip(&t, " size=");
	skip_number(&t, it.size);
	skip_end(&t, "\r\n");
	free(dst);
	free(key);
}

static u64 big_endian(const char *p, unsigned int bytes)
{
	u64 v = 0;

	while (bytes--)
		v = v << 8 | (u8)*p++;
	return v;
}

static void binary_head(const char *p, const struct mp_bin_head *h)
{
	MUST((u8)p[0] == 0x81 && (u8)p[1] == h->opcode);
	MUST(big_endian(p + 2, 2) == h->klen);
	MUST((u8)p[4] == h->extlen && !p[5]);
	MUST(big_endian(p + 6, 2) == h->status);
	MUST(big_endian(p + 8, 4) == (u32)(h->vlen + h->klen + h->extlen));
	MUST(big_endian(p + 12, 4) == h->opaque);
	MUST(big_endian(p + 16, 8) == h->cas);
}

static void binary(struct input *in)
{
	struct mp_bin_head h = {
		.opcode = (u8)take(in, 1),
		.extlen = (u8)take(in, 1),
		.klen = (u16)take(in, 2),
		.status = (u16)take(in, 2),
		.vlen = (u32)take_number(in),
		.opaque = (u32)take(in, 4),
		.cas = take_number(in),
	};
	char *dst = room(MP_BIN_HEAD);
	const char *text;

	MUST(mp_put_bin_head(dst, &h) == MP_BIN_HEAD);
	binary_head(dst, &h);
	free(dst);

	/* An answer without extras, key and cas, and with a text. */
	h.status %= 0x90;
	text = mp_bin_text(h.status);
	h.extlen = 0;
	h.klen = 0;
	h.cas = 0;
	h.vlen = (u32)strlen(text);
	MUST(MP_BIN_HEAD + h.vlen <= MP_BIN_ERROR_MAX);
	dst = room(MP_BIN_HEAD + h.vlen);
	MUST(mp_put_bin_error(dst, h.opcode, h.opaque, h.status) ==
	     MP_BIN_HEAD + h.vlen);
	binary_head(dst, &h);
	MUST(!memcmp(dst + MP_BIN_HEAD, text, h.vlen));
	free(dst);
}

static void skip_uri(struct text *t, const u8 *p, size_t n)
{
	for (; n--; p++) {
		char hex[4];

		if (t->p < t->end && *t->p != '%') {
			/* Nothing that ends a word or a line. */
			MUST(*p > ' ' && *p < 127 && *p != '=');
			skip_bytes(t, p, 1);
			continue;
		}
		sprintf(hex, "%%%02X", *p);
		skip(t, hex);
	}
}

static void dumps(struct input *in)
{
	struct mp_dump_item it = {
		.exptime = (u32)take_number(in),
		.time = (u32)take_number(in),
		.vlen = (u32)take_number(in),
		.cls = (u32)take_number(in),
		.cas = take_number(in),
		.size = take_number(in),
		.fetched = take(in, 1) & 1,
	};
	u8 *key = take_bytes(in, MP_KEY_MAX, &it.klen);
	char *dst = room(MP_METADUMP_MAX);
	struct text t;
	size_t n;

	it.key = key;
	n = mp_put_metadump(dst, &it);
	MUST(n <= MP_METADUMP_MAX);
	t = (struct text){ dst, dst + n };
	skip(&t, "key=");
	skip_uri(&t, key, it.klen);
	skip(&t, " exp=");
	skip_signed(&t, it.exptime ? (s64)it.exptime : -1);
	skip(&t, " la=");
	skip_number(&t, it.time);
	skip(&t, " cas=");
	skip_number(&t, it.cas);
	skip(&t, it.fetched ? " fetch=yes cls=" : " fetch=no cls=");
	skip_number(&t, it.cls);
	skip(&t, " size=");
	skip_number(&t, it.size);
	skip_end(&t, "\n");
	free(dst);

	dst = room(MP_CACHEDUMP_MAX);
	n = mp_put_cachedump(dst, &it);
	MUST(n <= MP_CACHEDUMP_MAX);
	t = (struct text){ dst, dst + n };
	skip(&t, "ITEM ");
	skip_bytes(&t, key, it.klen);
	skip(&t, " [");
	skip_number(&t, it.vlen);
	skip(&t, " b; ");
	skip_number(&t, it.exptime);
	skip_end(&t, " s]\r\n");
	free(dst);
	free(key);
}

static void number(struct input *in)
{
	char *dst = room(MP_U64_MAX_LEN);
	u64 v = take_number(in), again;
	size_t n = mp_put_u64(dst, v);
	struct text t = { dst, dst + n };

	MUST(n <= MP_U64_MAX_LEN);
	skip_number(&t, v);
	MUST(t.p == t.end);
	MUST(mp_get_u64((const u8 *)dst, n, &again) && again == v);
	free(dst);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const all[])(struct input *) = {
		value_head, meta, binary, dumps, number,
	};
	struct input in = { data, data + size };

	do
		all[take(&in, 1) % 5](&in);
	while (in.p < in.end);
	return 0;
}
