// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * libmp's parser for a client that has to authenticate, on any bytes, at once
 * and in pieces.
 */
#include "mp_pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mp_parser p;

	if (size < FUZZ_PIECES)
		return 0;
	mp_parser_init(&p, FUZZ_ITEM_MAX);
	p.meta = true;
	p.binary = true;
	p.auth = true;
	fuzz_pieces(&p, data, data + FUZZ_PIECES, size - FUZZ_PIECES);
	return 0;
}
