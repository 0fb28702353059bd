// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <stdarg.h>
#include <time.h>

#include "figure.h"
#include "restart.h"

static bool missed;

u64 fig_mix(u64 x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

void fig_key(char *key, u64 n)
{
	sprintf(key, "object-%013llu", n);
}

/* A value begins with what it is, the rest is always the same. */
static const char *make_value(u64 n, u32 gen, u32 len)
{
	static char value[1 << 20];
	static u32 filled;

	if (!filled) {
		filled = sizeof(value);
		memset(value, 'v', filled);
	}
	assert(len >= 32 && len <= filled);
	memset(value, 'v', 32);
	sprintf(value, "%llu-%u.", n, gen);
	return value;
}

/* Return: false where it was refused; it waits as long as a client would. */
bool fig_set(struct env *e, struct env_client *ec, u64 n, u32 gen, u32 len)
{
	struct mp_req req = { .op = MP_SET, .noreply = true, .vlen = len };
	struct kfc_value v = { .len = len };
	u64 refused = e->counters.store_no_memory;
	char key[32];

	fig_key(key, n);
	req.key = (u8 *)key;
	req.klen = FIG_KLEN;
	v.flat = (const u8 *)make_value(n, gen, len);
	while (kfc_cmd_run(&ec->cl, &req, &v) == KFC_CMD_BUSY)
		fig_writer(e);
	return e->counters.store_no_memory == refused;
}

/* Return: there was an answer with a value; @right: with this one. */
bool fig_get(struct env *e, struct env_client *ec, u64 n, u32 gen, u32 len,
	     bool *right)
{
	struct mp_req req = { .op = MP_GET, .last = true, .klen = FIG_KLEN };
	char key[32], head[64];
	int at;

	fig_key(key, n);
	req.key = (u8 *)key;
	ec->len = 0;
	while (kfc_cmd_run(&ec->cl, &req, NULL) == KFC_CMD_BUSY)
		kfc_restart_step(&e->c);
	env_events(ec);
	assert(!ec->cl.inflight);
	if (!strcmp(ec->answer, "END\r\n"))
		return false;
	at = sprintf(head, "VALUE %s 0 %u\r\n", key, len);
	*right = !memcmp(ec->answer, head, at) &&
		 !memcmp(ec->answer + at, make_value(n, gen, len), len) &&
		 !strcmp(ec->answer + at + len, "\r\nEND\r\n");
	return true;
}

void fig_delete(struct env *e, struct env_client *ec, u64 n)
{
	char key[32];

	fig_key(key, n);
	env_ask(e, ec, "delete %s\r\n", key);
}

void fig_writer(struct env *e)
{
	while (kfc_log_step(&e->c))
		;
}

double fig_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

void fig_bar(bool good, const char *fmt, ...)
{
	va_list ap;

	missed |= !good;
	printf(good ? "ok " : "not ok ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

/* Return: exit code */
int fig_end(void)
{
	return missed;
}
