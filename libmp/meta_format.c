// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Answers to meta commands.
 */
#include "mp.h"

static char *mp_put_key(char *p, const struct mp_req *req, bool base64)
{
	if (base64)
		return p + mp_base64_encode(p, req->key, req->klen);
	memcpy(p, req->key, req->klen);
	return p + req->klen;
}

static char *mp_put_flag(char *p, char flag)
{
	*p++ = ' ';
	*p++ = flag;
	return p;
}

static char *mp_put_ttl(char *p, s64 ttl)
{
	if (ttl == MP_TTL_NONE) {
		memcpy(p, "-1", 2);
		return p + 2;
	}
	/* what is past its end is as good as at it; no more than u32 fits */
	if (ttl < 0)
		ttl = 0;
	return p + mp_put_u64(p, ttl > 0xffffffff ? 0xffffffff : (u64)ttl);
}

/* The flags that this command's answer gives back when there is an item. */
static const char *mp_meta_told(enum mp_op op)
{
	switch (op) {
	case MP_META_GET:
		return "cfhlst";
	case MP_META_SET:
		return "cs";
	case MP_META_ARITH:
		return "ct";
	default:
		return "";
	}
}

static char *mp_put_fact(char *p, char flag, const struct mp_meta_item *it,
			 s64 ttl)
{
	p = mp_put_flag(p, flag);
	switch (flag) {
	case 'c':
		return p + mp_put_u64(p, it->cas);
	case 'f':
		return p + mp_put_u64(p, it->flags);
	case 'h':
		*p++ = it->fetched ? '1' : '0';
		return p;
	case 'l':
		return p + mp_put_u64(p, it->idle);
	case 's':
		return p + mp_put_u64(p, it->size);
	default:
		return mp_put_ttl(p, ttl);
	}
}

static char *mp_put_meta_flags(char *p, const struct mp_req *req,
			       const struct mp_meta_item *it)
{
	bool base64 = it && req->op == MP_META_GET ? it->base64 :
						     mp_meta_has(req, 'b');
	const char *told = it ? mp_meta_told(req->op) : "";
	s64 ttl = it ? it->ttl : 0;
	unsigned int i;

	for (i = 0; i < req->meta.nr; i++) {
		char flag = req->meta.order[i];

		if (flag == 'O') {
			p = mp_put_flag(p, flag);
			memcpy(p, req->meta.opaque, req->meta.opaque_len);
			p += req->meta.opaque_len;
		} else if (flag == 'k') {
			p = mp_put_key(mp_put_flag(p, flag), req, base64);
			if (base64)
				p = mp_put_flag(p, 'b');
		} else if (strchr(told, flag)) {
			p = mp_put_fact(p, flag, it, ttl);
		} else if (it && flag == 'T') {
			ttl = it->ttl_new;
		} else if (it && flag == 'N' && it->created) {
			ttl = it->ttl_made;
		}
	}
	return p;
}

/**
 * mp_put_meta_head() - write the line that answers a meta command
 * @dst: where; MP_META_HEAD_MAX bytes are enough
 * @code: its two letters; "VA" has the value's size behind it
 * @req: the request
 * @it: the item; NULL where there is none to tell of (a miss, any md, an ma
 *	that does not do): then only O and k are given back
 *
 * What the flags ask for goes out in their order; of "VA" the value and its
 * CRLF are the caller's. An ms tells of @it whatever the code; c is 0 if it did
 * not store.
 *
 * Return: bytes written.
 */
size_t mp_put_meta_head(char *dst, const char *code, const struct mp_req *req,
			const struct mp_meta_item *it)
{
	char *p = dst;

	*p++ = code[0];
	*p++ = code[1];
	if (it && code[0] == 'V') {
		*p++ = ' ';
		p += mp_put_u64(p, it->size);
	}
	p = mp_put_meta_flags(p, req, it);
	if (it && req->op == MP_META_GET) {
		if (it->sent)
			p = mp_put_flag(p, 'Z');
		if (it->stale)
			p = mp_put_flag(p, 'X');
		if (it->won)
			p = mp_put_flag(p, 'W');
	}
	*p++ = '\r';
	*p++ = '\n';
	return (size_t)(p - dst);
}

static char *mp_put_str(char *p, const char *s)
{
	size_t n = strlen(s);

	memcpy(p, s, n);
	return p + n;
}

/**
 * mp_put_meta_debug() - write the line that answers me when there is an item
 * @dst: where; MP_META_DEBUG_MAX bytes are enough
 * @req: the request
 * @it: the item, of which size, cas, ttl, idle, fetched and base64 count
 * @cls: its size class
 *
 * Return: bytes written.
 */
size_t mp_put_meta_debug(char *dst, const struct mp_req *req,
			 const struct mp_meta_item *it, u32 cls)
{
	char *p = dst;

	p = mp_put_key(mp_put_str(p, "ME "), req, it->base64);
	p = mp_put_str(p, " exp=");
	/* memcached counts it backwards */
	if (it->ttl > 0)
		*p++ = '-';
	p = mp_put_ttl(p, it->ttl);
	p = mp_put_str(p, " la=");
	p += mp_put_u64(p, it->idle);
	p = mp_put_str(p, " cas=");
	p += mp_put_u64(p, it->cas);
	p = mp_put_str(p, it->fetched ? " fetch=yes" : " fetch=no");
	p = mp_put_str(p, " cls=");
	p += mp_put_u64(p, cls);
	p = mp_put_str(p, " size=");
	p += mp_put_u64(p, it->size);
	*p++ = '\r';
	*p++ = '\n';
	return (size_t)(p - dst);
}
