// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * libmp's parser of the binary protocol, on any bytes, at once and in pieces.
 * Byte 8 says whether there is SASL, and whether the client has been through it.
 */
#include "mp_pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mp_parser p;

	if (size < FUZZ_PIECES + 1)
		return 0;
	mp_parser_init(&p, FUZZ_ITEM_MAX);
	p.binary = true;
	p.proto = MP_PROTO_BINARY;
	p.auth = data[FUZZ_PIECES] & 1;
	p.authed = data[FUZZ_PIECES] & 2;
	fuzz_pieces(&p, data, data + FUZZ_PIECES + 1, size - FUZZ_PIECES - 1);
	return 0;
}
