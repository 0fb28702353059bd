// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Base64, the way memcached 1.6 reads it: foreign characters are skipped, and
 * the first four that have padding among them are the last that count.
 */
#include "mp.h"

#define MP_PAD	64
#define MP_SKIP	65

static u8 mp_base64_value(u8 c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	switch (c) {
	case '+':
		return 62;
	case '/':
		return 63;
	case '=':
		return MP_PAD;
	default:
		return MP_SKIP;
	}
}

/**
 * mp_base64_decode() - bytes from base64
 * @dst: where; three bytes for each four of @src are enough
 * @src: the text, which does not overlap @dst
 * @len: its length
 *
 * Return: bytes written, 0 for text that is no base64 or stands for nothing.
 */
size_t mp_base64_decode(u8 *dst, const u8 *src, size_t len)
{
	unsigned int have = 0, pad = 0;
	const u8 *end = src + len;
	size_t n = 0, chars = 0;
	u32 bits = 0;

	for (; src < end; src++) {
		u8 v = mp_base64_value(*src);

		if (v == MP_SKIP)
			continue;
		chars++;
		/* what follows the padding is counted, but means nothing */
		if (pad && !have)
			continue;
		pad += v == MP_PAD;
		bits = bits << 6 | (v & 63);
		if (++have < 4)
			continue;
		if (pad > 2)
			return 0;
		dst[n++] = (u8)(bits >> 16);
		if (pad < 2)
			dst[n++] = (u8)(bits >> 8);
		if (pad < 1)
			dst[n++] = (u8)bits;
		have = 0;
		bits = 0;
	}
	return chars % 4 ? 0 : n;
}

/**
 * mp_base64_encode() - base64 from bytes
 * @dst: where; MP_BASE64_LEN(len) bytes are enough
 * @src: the bytes
 * @len: how many
 *
 * Return: characters written.
 */
size_t mp_base64_encode(char *dst, const u8 *src, size_t len)
{
	static const char chars[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const u8 *end = src + len;
	char *p = dst;

	while (src < end) {
		size_t left = (size_t)(end - src);
		u32 bits = (u32)src[0] << 16;

		if (left > 1)
			bits |= (u32)src[1] << 8;
		if (left > 2)
			bits |= src[2];
		*p++ = chars[bits >> 18];
		*p++ = chars[bits >> 12 & 63];
		*p++ = left > 1 ? chars[bits >> 6 & 63] : '=';
		*p++ = left > 2 ? chars[bits & 63] : '=';
		src += left > 2 ? 3 : left;
	}
	return (size_t)(p - dst);
}
