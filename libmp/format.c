// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Numbers in both directions, and the answers whose bytes are not fixed.
 * Nothing here ends in a NUL.
 */
#include "mp.h"

static bool mp_is_space(u8 c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/*
 * A number as strtoull() and memcached take it: white space before it, a
 * sign, digits, then the end, a NUL or white space with anything after it.
 */
static bool mp_num(const u8 *s, size_t len, bool *neg, u64 *v)
{
	const u8 *end = s + len;
	const u8 *first;
	u64 n = 0;

	while (s < end && mp_is_space(*s))
		s++;
	*neg = s < end && *s == '-';
	if (s < end && (*s == '-' || *s == '+'))
		s++;
	for (first = s; s < end && *s >= '0' && *s <= '9'; s++) {
		u8 digit = *s - '0';

		if (n > (~0ULL - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	if (s == first)
		return false;
	if (s < end && *s && !mp_is_space(*s))
		return false;
	*v = n;
	return true;
}

/**
 * mp_get_u64() - the number that some bytes begin with
 * @p: the bytes
 * @len: how many
 * @v: the number
 *
 * Takes what memcached takes, in a command line as in a value that incr and
 * decr find: white space may precede the number, and anything may follow it
 * after white space or a NUL ("9 " is what decr leaves of "10"). Negative
 * numbers are refused (memcached lets the large ones wrap).
 *
 * Return: false if there is no number or it does not fit 64 bits.
 */
bool mp_get_u64(const u8 *p, size_t len, u64 *v)
{
	bool neg;
	u64 n;

	if (!mp_num(p, len, &neg, &n) || (neg && n))
		return false;
	*v = n;
	return true;
}

/**
 * mp_get_s64() - the number that some bytes begin with, negative or not
 * @p: the bytes
 * @len: how many
 * @v: the number
 *
 * Return: false if there is no number or it does not fit 64 bits.
 */
bool mp_get_s64(const u8 *p, size_t len, s64 *v)
{
	bool neg;
	u64 n;

	if (!mp_num(p, len, &neg, &n))
		return false;
	if (n > (1ULL << 63) - 1 + neg)
		return false;
	*v = (s64)(neg ? 0 - n : n);
	return true;
}

/**
 * mp_put_u64() - write a number in decimal
 * @dst: where; MP_U64_MAX_LEN bytes are enough
 * @v: the number
 *
 * Return: bytes written.
 */
size_t mp_put_u64(char *dst, u64 v)
{
	char tmp[MP_U64_MAX_LEN];
	size_t at = sizeof(tmp);
	u32 low;

	for (; v > 0xffffffffu; v /= 10)
		tmp[--at] = (char)('0' + v % 10);
	low = (u32)v;
	do {
		tmp[--at] = (char)('0' + low % 10);
		low /= 10;
	} while (low);
	memcpy(dst, tmp + at, sizeof(tmp) - at);
	return sizeof(tmp) - at;
}

/**
 * mp_put_value_head() - write the line that precedes a value
 * @dst: where; MP_VALUE_HEAD_MAX bytes are enough
 * @key: the key
 * @klen: its length, at most MP_KEY_MAX
 * @flags: the client flags
 * @vlen: length of the value that follows
 * @cas: its unique (gets, gats), or NULL (get, gat)
 *
 * Return: bytes written.
 */
size_t mp_put_value_head(char *dst, const u8 *key, u8 klen, u32 flags,
			 u32 vlen, const u64 *cas)
{
	char *p = dst;

	memcpy(p, "VALUE ", 6);
	p += 6;
	memcpy(p, key, klen);
	p += klen;
	*p++ = ' ';
	p += mp_put_u64(p, flags);
	*p++ = ' ';
	p += mp_put_u64(p, vlen);
	if (cas) {
		*p++ = ' ';
		p += mp_put_u64(p, *cas);
	}
	*p++ = '\r';
	*p++ = '\n';
	return (size_t)(p - dst);
}
