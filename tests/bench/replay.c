// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * replay TRACE SEED REQUESTS own SLAB_KIB MEMORY_MIB DEVICE_MIB INDEX_MIB PCT
 * replay TRACE SEED REQUESTS SOCKET
 *
 * Plays a trace against the module's own store in user space, or against the
 * memcached that listens on a UNIX socket: a get, and after a miss a set. DEPTH
 * gets are outstanding, as with so many clients. Prints, of the trace's second
 * half, how many requests there were, how many were hits, bytes of records
 * that sets wrote, and bytes that were written to the device; and the objects
 * in the end and the memory for fingerprints.
 */
#include <math.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "env.h"

#define DEPTH 32
/* Keys of a trace, and how often a scan's key comes. */
#define KEYS 1000000
#define SCAN_OF_TEN 3
#define MIN_LEN 100
#define MAX_LEN 4000

static u64 state;
static double *cdf;
static double alpha;
static bool scan;

static u64 mix(u64 x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static double uniform(u64 x)
{
	return (x >> 11) * 0x1p-53;
}

static void make_trace(const char *name, u64 seed)
{
	double sum = 0;
	u32 i;

	scan = !strcmp(name, "scan");
	alpha = scan ? 0.99 : atof(name);
	state = mix(seed);
	cdf = malloc(KEYS * sizeof(*cdf));
	for (i = 0; i < KEYS; i++) {
		sum += pow(i + 1, -alpha);
		cdf[i] = sum;
	}
	for (i = 0; i < KEYS; i++)
		cdf[i] /= sum;
}

/*
 * Keys by rank; in the scan mix runs of a hundred keys that come only once take
 * so many tenths of all requests.
 */
static u64 next_key(u64 n)
{
	double u = uniform(state = mix(state));
	u32 lo = 0, hi = KEYS - 1;

	if (scan && n / 100 % 10 < SCAN_OF_TEN)
		return KEYS + n;
	while (lo < hi) {
		u32 mid = (lo + hi) / 2;

		if (cdf[mid] < u)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* A key's value has always the same length, log-uniform. */
static u32 value_len(u64 key)
{
	double u = uniform(mix(key * 3 + 1));

	return MIN_LEN * pow((double)MAX_LEN / MIN_LEN, u);
}

/* What a round of requests comes to. */
struct round {
	u64 key[DEPTH];
	bool hit[DEPTH];
	u32 nr;
};

static char filler[MAX_LEN + 2];

static size_t put_set(char *p, u64 key)
{
	u32 len = value_len(key);
	size_t n = sprintf(p, "set key:%016llx 0 0 %u noreply\r\n", mix(key),
			   len);

	memcpy(p + n, filler, len);
	memcpy(p + n + len, "\r\n", 2);
	return n + len + 2;
}

static size_t put_get(char *p, u64 key)
{
	return sprintf(p, "get key:%016llx\r\n", mix(key));
}

/* The module's store. */

static struct env env;
static struct env_client client;

static void own_start(char **argv)
{
	u32 slab = atoi(argv[5]), n = 1024 / slab;

	env_start(&env, slab << 10, atoi(argv[6]) * n, atoi(argv[7]) * n,
		  atoi(argv[8]) << 20);
	env.c.cfg.reinsert_pct = atoi(argv[9]);
	env_client_init(&env, &client);
}

static void own_feed(const char *p, size_t len)
{
	client.len = 0;
	env_feed(&env, &client, p, len);
	while (kfc_log_step(&env.c))
		;
}

static void own_round(struct round *r)
{
	char buf[MAX_LEN + 200];
	u32 i;

	for (i = 0; i < r->nr; i++) {
		own_feed(buf, put_get(buf, r->key[i]));
		r->hit[i] = client.answer[0] == 'V';
	}
	for (i = 0; i < r->nr; i++)
		if (!r->hit[i])
			own_feed(buf, put_set(buf, r->key[i]));
}

static u64 own_items(void)
{
	struct kfc_log_info info;

	kfc_log_info(&env.c, &info);
	return info.items;
}

/* memcached. */

static int sock = -1;
static char in[1 << 16];
static size_t in_at, in_len;

static void mc_start(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	strncpy(sa.sun_path, path, sizeof(sa.sun_path) - 1);
	sock = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(sock, (struct sockaddr *)&sa, sizeof(sa))) {
		perror(path);
		exit(1);
	}
}

static void mc_send(const char *p, size_t len)
{
	while (len) {
		ssize_t n = write(sock, p, len);

		assert(n > 0);
		p += n;
		len -= n;
	}
}

static void mc_more(void)
{
	ssize_t n;

	memmove(in, in + in_at, in_len - in_at);
	in_len -= in_at;
	in_at = 0;
	n = read(sock, in + in_len, sizeof(in) - 1 - in_len);
	assert(n > 0);
	in_len += n;
	in[in_len] = 0;
}

static void mc_skip(size_t n)
{
	while (in_len - in_at < n)
		mc_more();
	in_at += n;
}

/* Returns the length of the answer's first line; all else of it is skipped. */
static bool mc_answer(void)
{
	unsigned int len;
	char *end;

	while (!(end = memchr(in + in_at, '\n', in_len - in_at)))
		mc_more();
	if (in[in_at] == 'E') {
		mc_skip(end + 1 - (in + in_at));
		return false;
	}
	if (sscanf(in + in_at, "VALUE %*s %*u %u", &len) != 1) {
		fprintf(stderr, "memcached: %s", in + in_at);
		exit(1);
	}
	mc_skip(end + 1 - (in + in_at) + len + strlen("\r\nEND\r\n"));
	return true;
}

static void mc_round(struct round *r)
{
	static char buf[DEPTH * (MAX_LEN + 200)];
	size_t n = 0;
	u32 i;

	for (i = 0; i < r->nr; i++)
		n += put_get(buf + n, r->key[i]);
	mc_send(buf, n);
	for (i = 0; i < r->nr; i++)
		r->hit[i] = mc_answer();
	for (n = 0, i = 0; i < r->nr; i++)
		if (!r->hit[i])
			n += put_set(buf + n, r->key[i]);
	mc_send(buf, n);
}

int main(int argc, char **argv)
{
	bool own = argc == 10 && !strcmp(argv[4], "own");
	u64 n, requests, hits = 0, counted = 0, stored = 0, written = 0;
	struct round r;
	u32 i;

	if (argc != 5 && !own)
		return 2;
	make_trace(argv[1], strtoull(argv[2], NULL, 0));
	requests = strtoull(argv[3], NULL, 0);
	memset(filler, 'v', sizeof(filler));
	if (own)
		own_start(argv);
	else
		mc_start(argv[4]);
	for (n = 0; n < requests; n += r.nr) {
		r.nr = min((u64)DEPTH, requests - n);
		for (i = 0; i < r.nr; i++)
			r.key[i] = next_key(n + i);
		if (own)
			own_round(&r);
		else
			mc_round(&r);
		if (n < requests / 2) {
			written = env.counters.ext_bytes_written;
			continue;
		}
		counted += r.nr;
		for (i = 0; i < r.nr; i++) {
			hits += r.hit[i];
			if (!r.hit[i])
				stored += KFC_REC_HDR + 20 +
					  value_len(r.key[i]);
		}
	}
	printf("%llu %llu %llu %llu %llu %llu\n", counted, hits, stored,
	       env.counters.ext_bytes_written - written,
	       own ? own_items() : 0, env.c.ghost.nr * sizeof(u64));
	return 0;
}
