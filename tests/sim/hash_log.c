// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Hashes of state at chosen places, in their order: recorded by one build,
 * compared by another. They stop at the first place where they part.
 */
#include <unistd.h>

#include "sim.h"

struct entry {
	u64 place;
	u64 hash;
};

bool hash_log_trace;
static FILE *out, *in;
static u64 all, nr;

static FILE *must_open(const char *path, const char *mode)
{
	FILE *f = fopen(path, mode);

	if (!f) {
		perror(path);
		exit(2);
	}
	return f;
}

void hash_log_open(const char *record, const char *compare)
{
	if (record)
		out = must_open(record, "w");
	if (compare)
		in = must_open(compare, "r");
}

void hash_log(const char *place, u64 hash)
{
	struct entry e = { .hash = hash }, was;

	memcpy(&e.place, place, min_t(size_t, strlen(place), 8));
	all = sim_mix(all ^ sim_mix(e.place) ^ hash);
	nr++;
	if (hash_log_trace)
		printf("%llu %s: %.8s %llx\n", sim_steps, sim_co_name(),
		       (char *)&e.place, hash);
	if (out)
		fwrite(&e, sizeof(e), 1, out);
	if (!in)
		return;
	if (fread(&was, sizeof(was), 1, in) != 1) {
		fprintf(stderr, "the recording has ended: ");
		memset(&was, 0, sizeof(was));
	}
	if (was.place == e.place && was.hash == e.hash)
		return;
	fprintf(stderr, "not ok seed %llu parts from the recording at its hash %llu, step %llu: %.8s %016llx, recorded %.8s %016llx\n",
		sim_seed, nr, sim_steps, (char *)&e.place, e.hash,
		(char *)&was.place, was.hash);
	_exit(3);
}

void hash_log_bytes(const char *place, const void *p, size_t len)
{
	hash_log(place, XXH64(p, len, 0));
}

void hash_log_start(u64 seed)
{
	all = nr = 0;
	hash_log("seed", seed);
}

u64 hash_log_end(void)
{
	hash_log("end", nr);
	return all;
}

void hash_log_close(void)
{
	if (out && fclose(out)) {
		perror("recording");
		exit(2);
	}
}
