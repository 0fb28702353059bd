// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Clients that get into each other's way, beside the writer thread and the
 * index's work, under ThreadSanitizer: what races is reported, and fails the
 * run at its end. The device's I/O ends at once, so that what is read while it
 * is written again shows as well.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include "env.h"

#include <cmocka.h>

#define CLIENTS		3
/* At the most, until all has happened that is to. */
#define ROUNDS 30
#define OPS		12000
#define KEYS		8000
#define LONGEST		9000

int shim_fence;
pthread_rwlock_t shim_rcu = PTHREAD_RWLOCK_INITIALIZER;
_Thread_local int shim_readers;
_Thread_local int shim_cpu;

static struct env env;
static bool no_writer, no_worker;

/* Work is one thread's, which begins it again where it was queued meanwhile. */
static struct work_struct *queued[8];

void shim_queue_work(struct work_struct *w)
{
	struct work_struct *none;
	size_t i;

	if (xchg(&w->pending, true))
		return;
	for (i = 0;; i = (i + 1) % ARRAY_SIZE(queued)) {
		none = NULL;
		if (try_cmpxchg64(&queued[i], &none, w))
			return;
	}
}

void shim_run_works(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(queued); i++) {
		struct work_struct *w = xchg(&queued[i], NULL);

		if (!w)
			continue;
		smp_store_release(&w->pending, false);
		w->fn(w);
	}
}

/* The worker's thread has ended. */
void shim_flush_work(struct work_struct *w, bool run)
{
	size_t i;

	if (run)
		shim_run_works();
	for (i = 0; i < ARRAY_SIZE(queued); i++)
		if (queued[i] == w)
			queued[i] = NULL;
}

static void *worker(void *arg)
{
	while (!READ_ONCE(no_worker)) {
		shim_run_works();
		usleep(500);
	}
	return arg;
}

static void *writer(void *arg)
{
	while (!READ_ONCE(no_writer))
		if (!kfc_log_step(&env.c))
			usleep(200);
	return arg;
}

void env_busy(struct env *e)
{
	(void)e;
	usleep(200);
}

static void dev_io(struct kfc_dev *dev, struct kfc_io *io, bool write)
{
	u8 *at = container_of(dev, struct env_dev, dev)->mem +
		 io->page_no * KFC_PAGE;
	u32 i;

	for (i = 0; i < io->nr_pages; i++, at += KFC_PAGE) {
		void *p = page_address(io->pages[i]);

		memcpy(write ? at : p, write ? p : at, KFC_PAGE);
	}
	io->err = 0;
	io->done(io);
}

static void dev_read(struct kfc_dev *dev, struct kfc_io *io)
{
	dev_io(dev, io, false);
}

static void dev_write(struct kfc_dev *dev, struct kfc_io *io)
{
	dev_io(dev, io, true);
}

static int dev_flush(struct kfc_dev *dev)
{
	(void)dev;
	return 0;
}

static bool dev_gone(struct kfc_dev *dev)
{
	(void)dev;
	return false;
}

static const struct kfc_dev_ops ops = {
	.read = dev_read,
	.write = dev_write,
	.flush = dev_flush,
	.gone = dev_gone,
};

static void one(struct env_client *ec, unsigned int *seed)
{
	static const u32 sizes[] = { 10, 100, 100, 700, 3000, LONGEST };
	static const char *const verbs[] = { "set", "set", "set", "add",
					     "append", "replace" };
	static const char value[LONGEST];
	u32 len = sizes[rand_r(seed) % ARRAY_SIZE(sizes)];
	u32 k = rand_r(seed) % KEYS;
	struct kfc_log_info info;
	char key[16];

	/* Some keys more often than others. */
	k = (u64)k * k / KEYS;
	sprintf(key, "key%u", k);
	switch (rand_r(seed) % 50) {
	case 0 ... 16:
		env_set(&env, ec, verbs[rand_r(seed) % ARRAY_SIZE(verbs)], key,
			0, rand_r(seed) % 5 ? 0 : 1000, value, len, "");
		break;
	case 17 ... 33:
		env_ask(&env, ec, "get %s key%u\r\n", key, KEYS - k);
		break;
	case 34 ... 36:
		env_ask(&env, ec, "delete %s\r\n", key);
		break;
	case 37 ... 39:
		env_ask(&env, ec, "touch %s 1000\r\n", key);
		break;
	case 40 ... 42:
		env_ask(&env, ec, "mg %s v t c h l\r\n", key);
		break;
	case 43 ... 45:
		env_set(&env, ec, "set", "n", 0, 0, "1", 1, "");
		break;
	case 46 ... 48:
		env_ask(&env, ec, "incr n 3\r\n");
		break;
	default:
		kfc_log_info(&env.c, &info);
		if (!(rand_r(seed) % 300))
			env_ask(&env, ec, "flush_all\r\n");
	}
}

static void *client(void *arg)
{
	unsigned int seed = (long)arg, n;
	struct env_client ec;

	shim_cpu = seed % CLIENTS;
	env_client_init(&env, &ec);
	for (n = 0; n < OPS; n++)
		one(&ec, &seed);
	env_client_exit(&env, &ec);
	return NULL;
}

/* How much happened is for the scheduler to say: has all of it? */
static bool reached(bool device)
{
	return env_items(&env) > 100 && kfc_index_level(&env.c.index) > 0 &&
	       (!device || (env.counters.dev_reads > 100 &&
			    env.counters.promotions > 10));
}

static void run(u32 memory_slabs, u32 device_slabs)
{
	pthread_t w, work, t[CLIENTS];
	long i, round;

	env_start(&env, 1 << 18, memory_slabs, device_slabs, 1 << 15);
	env.d.dev.ops = &ops;
	for (round = 0; round < ROUNDS; round++) {
		no_writer = false;
		no_worker = false;
		assert_false(pthread_create(&w, NULL, writer, NULL));
		assert_false(pthread_create(&work, NULL, worker, NULL));
		for (i = 0; i < CLIENTS; i++)
			assert_false(pthread_create(&t[i], NULL, client,
						    (void *)(round * CLIENTS + i)));
		for (i = 0; i < CLIENTS; i++)
			pthread_join(t[i], NULL);
		WRITE_ONCE(no_writer, true);
		pthread_join(w, NULL);
		WRITE_ONCE(no_worker, true);
		pthread_join(work, NULL);
		assert_int_equal(env_items(&env), env_slots(&env));
		if (reached(device_slabs))
			break;
	}
	assert_true(round < ROUNDS);
	env_stop(&env);
}

static void test_memory(void **state)
{
	(void)state;
	run(16, 0);
}

static void test_device(void **state)
{
	(void)state;
	run(24, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
