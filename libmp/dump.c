// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The commands that list what a cache holds, "lru_crawler metadump" and "stats
 * cachedump": their words and their lines, as memcached 1.6.18 has them.
 */
#include "mp.h"
#include "parse.h"

/* memcached has slab classes 1 to 63. */
#define MP_CLASSES	64

#define MP_CACHEDUMP	"cachedump"

/**
 * mp_metadump() - a line that may be "lru_crawler metadump WORD"
 * @l: the line
 * @req: op and arg are filled in
 *
 * Return: whether it is.
 */
bool mp_metadump(const struct mp_line *l, struct mp_req *req)
{
	if (l->n != 3 || !mp_is(&l->tok[0], "lru_crawler", 11) ||
	    !mp_is(&l->tok[1], "metadump", 8))
		return false;
	req->op = MP_METADUMP;
	req->arg = l->tok[2].p;
	req->arg_len = (u32)l->tok[2].len;
	return true;
}

/**
 * mp_dump_classes() - the slab classes that a command is about
 * @p: the word: "all", "hash" or numbers with commas between them
 * @len: its length
 * @classes: a bit a class; 0 where the word is commas alone
 *
 * Return: false if one of them is no class.
 */
bool mp_dump_classes(const u8 *p, size_t len, u64 *classes)
{
	const u8 *end = p + len, *s;
	u64 n;

	*classes = ~0ULL;
	if ((len == 3 && !memcmp(p, "all", 3)) ||
	    (len == 4 && !memcmp(p, "hash", 4)))
		return true;
	*classes = 0;
	for (; p < end; p = s + 1) {
		s = memchr(p, ',', (size_t)(end - p));
		if (!s)
			s = end;
		if (s == p)
			continue;
		if (!mp_get_u64(p, (size_t)(s - p), &n) || !n ||
		    n >= MP_CLASSES)
			return false;
		*classes |= 1ULL << n;
	}
	return true;
}

/**
 * mp_is_cachedump() - whether a stats command is a cachedump
 * @req: the request, MP_STATS
 *
 * The binary protocol has none.
 *
 * Return: whether it is, its other words right or not.
 */
bool mp_is_cachedump(const struct mp_req *req)
{
	struct mp_tok t;

	if (req->binary || !req->arg_len)
		return false;
	mp_next_tok(req->arg, req->arg + req->arg_len, &t);
	return mp_is(&t, MP_CACHEDUMP, sizeof(MP_CACHEDUMP) - 1);
}

/**
 * mp_cachedump() - the words of "stats cachedump"
 * @req: the request, mp_is_cachedump()
 * @cls: the slab class
 * @limit: most lines, 0 for all
 *
 * Return: NULL, or the line that answers broken ones.
 */
const char *mp_cachedump(const struct mp_req *req, u32 *cls, u64 *limit)
{
	const u8 *end = req->arg + req->arg_len, *s;
	struct mp_tok word, one, two;
	u64 n;

	s = mp_next_tok(req->arg, end, &word);
	s = mp_next_tok(s, end, &one);
	mp_next_tok(s, end, &two);
	if (!two.len)
		return "CLIENT_ERROR bad command line\r\n";
	if (!mp_tok_u64(&one, &n) || !mp_tok_u64(&two, limit))
		return MP_BAD_FORMAT;
	if (n >= MP_CLASSES)
		return "CLIENT_ERROR Illegal slab id\r\n";
	*cls = (u32)n;
	return NULL;
}

static char *mp_put(char *dst, const char *s, size_t len)
{
	memcpy(dst, s, len);
	return dst + len;
}

#define MP_PUT(dst, s) mp_put(dst, s, sizeof(s) - 1)

static bool mp_is_plain(u8 c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' ||
	       c == '~';
}

/* As an URI has it: RFC 3986. */
static char *mp_put_uri(char *dst, const u8 *p, size_t len)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; len--; p++) {
		if (mp_is_plain(*p)) {
			*dst++ = (char)*p;
			continue;
		}
		*dst++ = '%';
		*dst++ = hex[*p >> 4];
		*dst++ = hex[*p & 15];
	}
	return dst;
}

/**
 * mp_put_metadump() - write an item's line of a metadump
 * @dst: where; MP_METADUMP_MAX bytes are enough
 * @it: the item
 *
 * memcached ends these lines with a LF alone.
 *
 * Return: bytes written.
 */
size_t mp_put_metadump(char *dst, const struct mp_dump_item *it)
{
	char *p = MP_PUT(dst, "key=");

	p = mp_put_uri(p, it->key, it->klen);
	p = MP_PUT(p, " exp=");
	if (it->exptime)
		p += mp_put_u64(p, it->exptime);
	else
		p = MP_PUT(p, "-1");
	p = MP_PUT(p, " la=");
	p += mp_put_u64(p, it->time);
	p = MP_PUT(p, " cas=");
	p += mp_put_u64(p, it->cas);
	p = it->fetched ? MP_PUT(p, " fetch=yes") : MP_PUT(p, " fetch=no");
	p = MP_PUT(p, " cls=");
	p += mp_put_u64(p, it->cls);
	p = MP_PUT(p, " size=");
	p += mp_put_u64(p, it->size);
	p = MP_PUT(p, "\n");
	return (size_t)(p - dst);
}

/**
 * mp_put_cachedump() - write an item's line of a cachedump
 * @dst: where; MP_CACHEDUMP_MAX bytes are enough
 * @it: the item
 *
 * Return: bytes written.
 */
size_t mp_put_cachedump(char *dst, const struct mp_dump_item *it)
{
	char *p = MP_PUT(dst, "ITEM ");

	p = mp_put(p, (const char *)it->key, it->klen);
	p = MP_PUT(p, " [");
	p += mp_put_u64(p, it->vlen);
	p = MP_PUT(p, " b; ");
	p += mp_put_u64(p, it->exptime);
	p = MP_PUT(p, " s]\r\n");
	return (size_t)(p - dst);
}
