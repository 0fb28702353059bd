// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * libmp's parser with meta commands, on any bytes, at once and in pieces; and
 * base64. mp_talk.h checks each request and answers it.
 */
#include "mp_pieces.h"

static void fuzz_base64(const u8 *in, size_t len)
{
	u8 key[MP_KEY_DECODED_MAX], again[MP_KEY_DECODED_MAX];
	char text[MP_BASE64_LEN(MP_KEY_DECODED_MAX)];
	size_t n, m;

	if (len > MP_KEY_MAX)
		len = MP_KEY_MAX;
	n = mp_base64_decode(key, in, len);
	MUST(n <= sizeof(key));
	m = mp_base64_encode(text, key, n);
	MUST(m == MP_BASE64_LEN(n));
	MUST(mp_base64_decode(again, (u8 *)text, m) == n);
	MUST(!memcmp(key, again, n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mp_parser p;

	if (size < FUZZ_PIECES)
		return 0;
	fuzz_base64(data + FUZZ_PIECES, size - FUZZ_PIECES);
	mp_parser_init(&p, FUZZ_ITEM_MAX);
	p.meta = true;
	p.binary = true;
	fuzz_pieces(&p, data, data + FUZZ_PIECES, size - FUZZ_PIECES);
	return 0;
}
