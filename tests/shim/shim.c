// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "shim.h"

#ifndef KFC_THREADS
int shim_rcu_depth;
#endif
int shim_fail_alloc;
char shim_warning[512];
int shim_warnings;
void (*shim_wait)(void);
bool shim_hangs;
int shim_poison = 0xa5;
u64 shim_hash_mask = ~0ULL;
long shim_pages;
unsigned long jiffies = 1000;
u64 shim_lines;
bool shim_works_off;

#ifdef KFC_SIM

/* A coroutine each, for as long as there is something to do. */
static int work_run(void *arg)
{
	struct work_struct *w = arg;

	while (w->pending) {
		w->pending = false;
		w->fn(w);
		sim_point();
	}
	w->running = false;
	return 0;
}

void shim_queue_work(struct work_struct *w)
{
	sim_point();
	w->pending = true;
	if (w->running)
		return;
	w->running = true;
	w->co = sim_spawn("work", work_run, w);
}

void shim_flush_work(struct work_struct *w, bool run)
{
	w->pending &= run;
	while (w->running) {
		sim_sleep(w->co, 10);
		w->pending &= run;
	}
}

#elif !defined(KFC_THREADS)

static struct work_struct *works;

void shim_run_works(void)
{
	struct work_struct *w;

	while (!shim_works_off && (w = works)) {
		works = w->next;
		w->running = true;
		while (w->pending) {
			w->pending = false;
			w->fn(w);
		}
		w->running = false;
	}
}

void shim_queue_work(struct work_struct *w)
{
	if (w->pending)
		return;
	w->pending = true;
	if (w->running)
		return;
	w->next = works;
	works = w;
	if (!shim_rcu_depth)
		shim_run_works();
}

void shim_flush_work(struct work_struct *w, bool run)
{
	struct work_struct **p = &works;

	if (run)
		shim_run_works();
	while (*p && *p != w)
		p = &(*p)->next;
	if (*p)
		*p = w->next;
	w->pending = false;
}

#endif

struct page *alloc_page(gfp_t gfp)
{
	struct page *p = shim_alloc(sizeof(*p));

	if (!p)
		return NULL;
	p->mem = malloc(PAGE_SIZE);
	/* Pages that nobody asked to be zeroed hold old bytes. */
	memset(p->mem, gfp & __GFP_ZERO ? 0 : shim_poison, PAGE_SIZE);
	p->refs = 1;
	__atomic_fetch_add(&shim_pages, 1, __ATOMIC_RELAXED);
	return p;
}

void put_page(struct page *p)
{
	int refs = __atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL);

	assert(refs >= 0);
	if (refs)
		return;
	memset(p->mem, shim_poison, PAGE_SIZE);
	free(p->mem);
	kfree(p);
	__atomic_fetch_sub(&shim_pages, 1, __ATOMIC_RELAXED);
}

void get_random_bytes(void *p, size_t n)
{
	u8 *b = p;

	while (n--)
		*b++ = rand();
}

static u64 rotl(u64 x, int n)
{
	return x << n | x >> (64 - n);
}

static void sip_round(u64 v[4])
{
	v[0] += v[1]; v[2] += v[3];
	v[1] = rotl(v[1], 13) ^ v[0]; v[3] = rotl(v[3], 16) ^ v[2];
	v[0] = rotl(v[0], 32);
	v[2] += v[1]; v[0] += v[3];
	v[1] = rotl(v[1], 17) ^ v[2]; v[3] = rotl(v[3], 21) ^ v[0];
	v[2] = rotl(v[2], 32);
}

/* SipHash-2-4 (Aumasson, Bernstein), as the kernel's siphash() has it. */
u64 siphash(const void *p, size_t len, const siphash_key_t *k)
{
	u64 v[4] = {
		0x736f6d6570736575ULL ^ k->key[0],
		0x646f72616e646f6dULL ^ k->key[1],
		0x6c7967656e657261ULL ^ k->key[0],
		0x7465646279746573ULL ^ k->key[1],
	};
	const u8 *b = p;
	size_t left = len;
	u64 m;
	int i;

	for (;; b += 8, left -= 8) {
		bool last = left < 8;

		m = last ? (u64)len << 56 : 0;
		memcpy(&m, b, last ? left : 8);
		v[3] ^= m;
		sip_round(v);
		sip_round(v);
		v[0] ^= m;
		if (last)
			break;
	}
	v[2] ^= 0xff;
	for (i = 0; i < 4; i++)
		sip_round(v);
	return (v[0] ^ v[1] ^ v[2] ^ v[3]) & shim_hash_mask;
}
