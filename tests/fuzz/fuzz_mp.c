// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * libmp's parser on any bytes. The first bytes say in which pieces the rest
 * arrives; whatever the pieces, the same requests and errors must come out as
 * when it arrives at once. Lines longer than MP_LINE_MAX may differ in the
 * ways that mp.h allows, and are compared for the rest. mp_feed.h checks each
 * request: pointers inside the consumed bytes, key lengths, nothing stuck.
 */
#include <stdint.h>

#include "../mp_feed.h"

#define FUZZ_PIECES	8
#define FUZZ_ITEM_MAX	1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_numbers(const u8 *in, size_t len)
{
	char num[MP_U64_MAX_LEN];
	u64 v, again;
	size_t n;
	u8 *p;
	s64 s;

	if (len > 40)
		len = 40;
	p = malloc(len);
	MUST(p || !len);
	if (len)
		memcpy(p, in, len);
	if (mp_get_u64(p, len, &v)) {
		n = mp_put_u64(num, v);
		MUST(n >= 1 && n <= sizeof(num));
		MUST(mp_get_u64((u8 *)num, n, &again) && again == v);
		if (v <= 0x7fffffffffffffffULL)
			MUST(mp_get_s64(p, len, &s) && (u64)s == v);
	} else if (mp_get_s64(p, len, &s)) {
		MUST(s < 0);
	}
	free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed whole, pieces;
	size_t step[FUZZ_PIECES];
	size_t at, i;

	if (size < FUZZ_PIECES)
		return 0;
	/* small steps, and some about as long as the line limit */
	for (i = 0; i < FUZZ_PIECES; i++) {
		step[i] = data[i] % 128 + 1;
		if (data[i] >= 192)
			step[i] *= 33;
	}
	data += FUZZ_PIECES;
	size -= FUZZ_PIECES;

	fuzz_numbers(data, size);

	feed_start(&whole, data, size, FUZZ_ITEM_MAX);
	whole.blur = true;
	feed_to(&whole, size);

	feed_start(&pieces, data, size, FUZZ_ITEM_MAX);
	pieces.blur = true;
	for (at = 0, i = 0; at < size; at += step[i++ % FUZZ_PIECES])
		feed_to(&pieces, at);
	feed_to(&pieces, size);

	if (strcmp(whole.log.s, pieces.log.s)) {
		fprintf(stderr, "at once:   %s\nin pieces: %s\n", whole.log.s,
			pieces.log.s);
		abort();
	}
	feed_end(&whole);
	feed_end(&pieces);
	return 0;
}
