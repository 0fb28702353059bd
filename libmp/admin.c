// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Commands that set memcached's own machinery: slabs, lru, lru_crawler.
 *
 * There is nothing here that they could set: their words are checked and
 * answered as memcached 1.6.18 does, and that is all. extstore and watch are not
 * known, as to a memcached without them.
 */
#include "mp.h"
#include "parse.h"

/* Slab classes of memcached. */
#define MP_CLASS_MAX	63
#define MP_SLEEP_MAX	1000000

#define MP_BADCLASS_MOVE "BADCLASS invalid src or dst class id\r\n"

static const char *mp_slabs_reassign(const struct mp_line *l)
{
	u64 src, dst;
	s64 n;

	if (!mp_tok_s64(&l->tok[2], &n) || !mp_tok_s64(&l->tok[3], &n))
		return MP_BAD_FORMAT;
	if (!mp_tok_u64(&l->tok[2], &src) || !mp_tok_u64(&l->tok[3], &dst))
		return MP_BADCLASS_MOVE;
	if (src == dst)
		return "SAME src and dst class are identical\r\n";
	if (!src || src > MP_CLASS_MAX || !dst || dst > MP_CLASS_MAX)
		return MP_BADCLASS_MOVE;
	return "NOSPARE source class has no spare pages\r\n";
}

static const char *mp_slabs(const struct mp_line *l, unsigned int n)
{
	u32 level;

	if (l->n == 4 && mp_is(&l->tok[1], "reassign", 8))
		return mp_slabs_reassign(l);
	if (n < 3 || !mp_is(&l->tok[1], "automove", 8))
		return MP_ERROR;
	if (!mp_tok_u32(&l->tok[2], &level))
		return MP_BAD_FORMAT;
	return level <= 2 ? MP_OK : MP_ERROR;
}

/* A number that may have a fraction. */
static bool mp_is_decimal(const struct mp_tok *t)
{
	size_t i, dots = 0;

	for (i = 0; i < t->len; i++) {
		if (t->p[i] == '.')
			dots++;
		else if (t->p[i] < '0' || t->p[i] > '9')
			return false;
	}
	return t->len > dots && dots <= 1;
}

static const char *mp_lru(const struct mp_line *l, unsigned int n)
{
	const struct mp_tok *t = l->tok;
	s64 ttl;
	u32 pct;

	if (n >= 6 && mp_is(&t[1], "tune", 4))
		return mp_tok_u32(&t[2], &pct) && mp_tok_u32(&t[3], &pct) &&
		       mp_is_decimal(&t[4]) && mp_is_decimal(&t[5]) ? MP_OK :
								     MP_ERROR;
	if (n >= 3 && mp_is(&t[1], "mode", 4))
		return mp_is(&t[2], "flat", 4) ||
		       mp_is(&t[2], "segmented", 9) ? MP_OK : MP_ERROR;
	if (n >= 3 && mp_is(&t[1], "temp_ttl", 8))
		return mp_tok_s64(&t[2], &ttl) ? MP_OK : MP_ERROR;
	return MP_ERROR;
}

static const char *mp_crawler(const struct mp_line *l, unsigned int n)
{
	const struct mp_tok *t = l->tok;
	u64 classes;
	u32 num;

	if (n == 2 && (mp_is(&t[1], "enable", 6) || mp_is(&t[1], "disable", 7)))
		return MP_OK;
	if (n < 3)
		return MP_ERROR;
	if (mp_is(&t[1], "crawl", 5))
		return mp_dump_classes(t[2].p, t[2].len, &classes) ? MP_OK :
			"BADCLASS invalid class id\r\n";
	if (mp_is(&t[1], "tocrawl", 7))
		return mp_tok_u32(&t[2], &num) ? MP_OK : MP_BAD_FORMAT;
	if (!mp_is(&t[1], "sleep", 5))
		return MP_ERROR;
	if (!mp_tok_u32(&t[2], &num))
		return MP_BAD_FORMAT;
	if (num > MP_SLEEP_MAX)
		return "CLIENT_ERROR sleep must be one second or less\r\n";
	return MP_OK;
}

/**
 * mp_admin() - a line that may be for memcached's own machinery
 * @l: the line
 * @err: gets the answer
 *
 * Return: whether it was one
 */
bool mp_admin(const struct mp_line *l, struct mp_err *err)
{
	const struct mp_tok *t = l->tok;
	unsigned int n = l->n;
	const char *line;
	bool quiet;

	quiet = n > 2 && mp_is(&t[n - 1], "noreply", 7);
	if (quiet)
		n--;
	if (mp_is(&t[0], "slabs", 5))
		line = mp_slabs(l, n);
	else if (mp_is(&t[0], "lru", 3))
		line = mp_lru(l, n);
	else if (mp_is(&t[0], "lru_crawler", 11))
		line = mp_crawler(l, n);
	else
		return false;
	/* A line that is not understood has no noreply either. */
	mp_fail(err, line, quiet && strcmp(line, MP_ERROR));
	return true;
}
