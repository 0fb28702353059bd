/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The same bytes to two parsers, at once and in pieces: the same must come out.
 * The first FUZZ_PIECES bytes of an input say how long the pieces are.
 */
#ifndef MP_PIECES_H
#define MP_PIECES_H

#include <stdint.h>

#include "mp_talk.h"

#define FUZZ_PIECES	8
#define FUZZ_ITEM_MAX	1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* @ready: a parser as its owner made it ready */
static void fuzz_pieces(const struct mp_parser *ready, const u8 *steps,
			const u8 *in, size_t len)
{
	struct feed whole, pieces;
	size_t at, i;

	talk_start(&whole, in, len, FUZZ_ITEM_MAX);
	whole.p = *ready;
	whole.blur = true;
	talk_to(&whole, len);

	talk_start(&pieces, in, len, FUZZ_ITEM_MAX);
	pieces.p = *ready;
	pieces.blur = true;
	for (at = 0, i = 0; at < len; i++) {
		u8 step = steps[i % FUZZ_PIECES];

		talk_to(&pieces, at);
		/* small steps, and some about as long as the line limit */
		at += (step % 128 + 1) * (step >= 192 ? 33 : 1);
	}
	talk_to(&pieces, len);

	if (strcmp(whole.log.s, pieces.log.s)) {
		fprintf(stderr, "at once:   %s\nin pieces: %s\n", whole.log.s,
			pieces.log.s);
		abort();
	}
	feed_end(&whole);
	feed_end(&pieces);
}

#endif /* MP_PIECES_H */
