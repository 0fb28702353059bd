// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The scheduler: one thread, many coroutines, every choice drawn from the seed.
 *
 * A coroutine stands for a CPU: it may be switched for another at every point
 * (see points.h), also while it holds a lock, and now and then one stands
 * still for a long while in the middle of whatever it does.
 */
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sim.h"

#define STACK_BYTES (256 << 10)

struct sim_co {
	void *sp;
	char *stack;
	const char *name;
	int (*fn)(void *arg);
	void *arg;
	bool live;
	bool kept;
	bool stop;
	bool blocked;		/* in sim_wait_more(), until woken or due */
	bool woken;
	void *queue;
	bool *lock;		/* that it spins on */
	struct sim_co *sync;	/* that it waits for, to leave RCU sections */
	u64 sync_gen;
	unsigned long due;	/* jiffies, 0 for never */
	u64 still_until;	/* switches */
	u32 rcu;
	u64 rcu_gen;
	u64 failed;
};

static struct sim_co cos[SIM_CPUS];
static struct sim_co *cur;
static u32 nr_cos;
static void *base_sp;

u64 sim_steps;
u64 sim_step_limit;
bool sim_calm;
static unsigned long since_second;	/* of env_now, in ms */
static u64 switches;
static u64 rng[2];
static u32 until_switch;
static u32 mean_run;		/* points between switches, about */
static u32 still_one_in;	/* switches */
static u32 tick_one_in;		/* switches */

/* xoroshiro128+ (Blackman, Vigna). */
u64 sim_rand(void)
{
	u64 a = rng[0], b = rng[1], sum = a + b;

	b ^= a;
	rng[0] = (a << 24 | a >> 40) ^ b ^ b << 16;
	rng[1] = b << 37 | b >> 27;
	return sum;
}

u64 sim_mix(u64 x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

void sim_sched_start(u64 seed)
{
	static const u32 means[] = { 1, 1, 2, 4, 16, 100 };
	u32 i;

	rng[0] = sim_mix(seed);
	rng[1] = sim_mix(rng[0]);
	for (i = 0; i < SIM_CPUS; i++) {
		char *stack = cos[i].stack;

		memset(&cos[i], 0, sizeof(cos[i]));
		cos[i].stack = stack;
	}
	nr_cos = 0;
	cur = NULL;
	sim_steps = switches = since_second = 0;
	until_switch = 1;
	mean_run = means[sim_below(ARRAY_SIZE(means))];
	still_one_in = 20 << sim_below(8);
	tick_one_in = 5 << sim_below(6);
	sim_calm = false;
}

/* Switching. */

#ifndef __x86_64__
#error "the switch of tests/sim/sched.c is written for x86-64"
#endif

void sim_switch(void **from, void *to);
void sim_enter(void);
__asm__(".text\n.globl sim_switch\nsim_switch:\n"
	"pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\n"
	"pushq %r15\nmovq %rsp, (%rdi)\nmovq %rsi, %rsp\npopq %r15\n"
	"popq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n"
	".globl sim_enter\nsim_enter:\ncall sim_first\nud2\n");

#ifdef __SANITIZE_ADDRESS__
#define SIM_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIM_ASAN
#endif
#endif

#ifdef SIM_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
static const void *base_stack;
static size_t base_size;
#endif

static void go(void **from, struct sim_co *to)
{
	cur = to;
#ifdef SIM_ASAN
	{
		const void *was;
		void *mine;
		size_t n;

		__sanitizer_start_switch_fiber(&mine,
					       to ? to->stack : base_stack,
					       to ? STACK_BYTES : base_size);
		sim_switch(from, to ? to->sp : base_sp);
		__sanitizer_finish_switch_fiber(mine, &was, &n);
	}
#else
	sim_switch(from, to ? to->sp : base_sp);
#endif
}

static bool may_run(struct sim_co *co)
{
	if (!co->live)
		return false;
	if (co->lock)
		return !*co->lock;
	if (co->sync)
		return !co->sync->live || !co->sync->rcu ||
		       co->sync->rcu_gen != co->sync_gen;
	if (co->blocked)
		return co->woken || (co->due && time_after_eq(jiffies, co->due));
	return true;
}

static void pass_time(unsigned long ms)
{
	jiffies += ms;
	since_second += ms;
	env_now += since_second / 1000;
	since_second %= 1000;
}

void sim_time_jump(unsigned long ms, u64 seconds)
{
	pass_time(ms);
	env_now += seconds;
}

/* Nobody can run: time goes on to the first that waits for it. */
static bool skip_time(void)
{
	unsigned long due = 0;
	u32 i;

	for (i = 0; i < nr_cos; i++)
		if (cos[i].live && cos[i].blocked && cos[i].due &&
		    (!due || time_before(cos[i].due, due)))
			due = cos[i].due;
	if (!due)
		return false;
	pass_time(due - jiffies);
	return true;
}

static struct sim_co *choose(void)
{
	struct sim_co *can[SIM_CPUS];
	u32 n = 0, still = 0, i;

	for (i = 0; i < nr_cos; i++)
		if (may_run(&cos[i]) && cos[i].still_until <= switches)
			can[n++] = &cos[i];
	if (n)
		return can[n > 1 ? sim_below(n) : 0];
	for (i = 0; i < nr_cos; i++)
		if (may_run(&cos[i]))
			can[still++] = &cos[i];
	return still ? can[sim_below(still)] : NULL;
}

static void who_waits(void)
{
	u32 i;

	for (i = 0; i < nr_cos; i++)
		if (cos[i].live)
			fprintf(stderr, "  %s: %s\n", cos[i].name,
				cos[i].lock ? "spins" : cos[i].sync ?
				"waits for a grace period" : cos[i].blocked ?
				"sleeps" : "may run");
}

void sim_yield(void)
{
	struct sim_co *me = cur, *to;

	model_yields();
	switches++;
	until_switch = 1 + sim_below(2 * mean_run);
	if (!sim_calm && sim_one_in(tick_one_in))
		pass_time(1);
	while (!(to = choose()))
		if (!skip_time()) {
			who_waits();
			sim_fail("nobody can go on");
		}
	if (to == me)
		return;
	if (me)
		go(&me->sp, to);
	else
		go(&base_sp, to);
}

void sim_point(void)
{
	if (!cur)
		return;
	if (++sim_steps > sim_step_limit) {
		who_waits();
		sim_fail("it does not end");
	}
	if (--until_switch)
		return;
	if (sim_one_in(still_one_in))
		cur->still_until = switches + (1 << sim_below(13));
	sim_yield();
}

static void wake(void *queue)
{
	u32 i;

	for (i = 0; i < nr_cos; i++)
		if (cos[i].live && cos[i].queue == queue)
			cos[i].woken = true;
}

/* A coroutine's first instructions; called from sim_enter. */
void sim_first(void);
void sim_first(void)
{
	struct sim_co *me = cur;

#ifdef SIM_ASAN
	const void *stack;
	size_t size;

	__sanitizer_finish_switch_fiber(NULL, &stack, &size);
	if (!base_stack) {
		base_stack = stack;
		base_size = size;
	}
#endif
	me->fn(me->arg);
	if (me->rcu)
		sim_fail("%s ended in an RCU section", me->name);
	me->live = false;
	wake(me);
	if (me != &cos[0])
		sim_yield();
	go(&me->sp, NULL);
}

struct sim_co *sim_spawn(const char *name, int (*fn)(void *arg), void *arg)
{
	struct sim_co *co = NULL;
	char *stack;
	void **sp;
	u32 i;

	/* The number of one that ended is free again. */
	for (i = 0; i < nr_cos && !co; i++)
		if (!cos[i].live && !cos[i].kept)
			co = &cos[i];
	if (!co) {
		assert(nr_cos < SIM_CPUS);
		co = &cos[nr_cos++];
	}
	stack = co->stack;
	if (!stack) {
		stack = mmap(NULL, STACK_BYTES + 4096, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		assert(stack != MAP_FAILED);
		mprotect(stack, 4096, PROT_NONE);
		stack += 4096;
	}
	memset(co, 0, sizeof(*co));
#ifdef SIM_ASAN
	/* Frames of one that ended here are there still. */
	__asan_unpoison_memory_region(stack, STACK_BYTES);
#endif
	co->stack = stack;
	co->name = name;
	co->fn = fn;
	co->arg = arg;
	co->live = true;
	sp = (void **)(stack + STACK_BYTES);
	sp -= 2;		/* so that sim_enter finds %rsp aligned */
	memset(sp, 0, 2 * sizeof(*sp));
	*--sp = sim_enter;
	sp -= 6;
	memset(sp, 0, 6 * sizeof(*sp));
	co->sp = sp;
	return co;
}

void sim_run_co(int (*main)(void *arg), void *arg)
{
	sim_spawn("main", main, arg);
	until_switch = 1;
	go(&base_sp, &cos[0]);
}

const char *sim_co_name(void)
{
	return cur ? cur->name : "outside";
}

bool sim_alive(const struct sim_co *co)
{
	return co->live;
}

bool sim_no_thread(void)
{
	if (sim_calm || !sim_one_in(10))
		return false;
	SIM_NOTE(SIM_FAULT, "no thread");
	return true;
}

void sim_keep_co(struct sim_co *co, bool keep)
{
	co->kept = keep;
}

int sim_cpu(void)
{
	return cur ? cur - cos : 0;
}

void sim_stop_co(struct sim_co *co)
{
	co->stop = true;
	co->woken = true;
	while (co->live)
		sim_sleep(co, 0);
}

bool sim_should_stop(void)
{
	sim_point();
	return cur->stop;
}

/* Locks. */

void sim_lock(bool *held)
{
	sim_point();
	while (*held) {
		cur->lock = held;
		sim_yield();
		cur->lock = NULL;
	}
	*held = true;
}

bool sim_trylock(bool *held)
{
	sim_point();
	if (*held)
		return false;
	*held = true;
	return true;
}

void sim_unlock(bool *held)
{
	sim_point();
	assert(*held);
	*held = false;
	sim_point();
}

void sim_rcu_lock(void)
{
	cur->rcu++;
	sim_point();
}

void sim_rcu_unlock(void)
{
	assert(cur->rcu);
	if (!--cur->rcu)
		cur->rcu_gen++;
	sim_point();
}

bool sim_rcu_held(void)
{
	return cur->rcu;
}

void sim_rcu_wait(void)
{
	u64 gen[SIM_CPUS];
	u32 i;

	assert(!cur->rcu);
	sim_point();
	for (i = 0; i < nr_cos; i++)
		gen[i] = cos[i].rcu_gen;
	for (i = 0; i < nr_cos; i++) {
		if (!cos[i].live || !cos[i].rcu || cos[i].rcu_gen != gen[i])
			continue;
		cur->sync = &cos[i];
		cur->sync_gen = gen[i];
		sim_yield();
		cur->sync = NULL;
	}
}

/* Waiting. */

void sim_wake(void *queue)
{
	sim_point();
	wake(queue);
}

void sim_wait_begin(void *queue, unsigned long ms)
{
	cur->queue = queue;
	cur->woken = false;
	cur->due = ms ? jiffies + ms : 0;
}

bool sim_wait_more(void)
{
	if (!cur->woken) {
		if (cur->due && time_after_eq(jiffies, cur->due))
			return false;
		cur->blocked = true;
		sim_yield();
		cur->blocked = false;
	}
	if (!cur->woken)
		return false;
	cur->woken = false;
	return true;
}

void sim_wait_end(void)
{
	cur->queue = NULL;
	cur->due = 0;
}

void sim_sleep(void *queue, unsigned long ms)
{
	sim_wait_begin(queue, ms);
	sim_wait_more();
	sim_wait_end();
}

/* Memory: poisoned, counted, and refused now and then. */

long sim_allocs;
bool sim_allocs_fail;

struct block {
	size_t n;
	size_t pad;
};

void *sim_alloc(size_t n, bool zero)
{
	struct block *b;

	sim_point();
	if (sim_allocs_fail && sim_fault("allocation failure")) {
		cur->failed++;
		return NULL;
	}
	b = malloc(sizeof(*b) + n);
	b->n = n;
	memset(b + 1, zero ? 0 : shim_poison, n);
	sim_allocs++;
	return b + 1;
}

void sim_free(void *p)
{
	struct block *b = p;

	if (!p)
		return;
	b--;
	memset(p, shim_poison, b->n);
	free(b);
	sim_allocs--;
}

u64 sim_failed_here(void)
{
	return cur->failed;
}

void sim_fail(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "seed %llu: step %llu, %s: ", sim_seed, sim_steps,
		sim_co_name());
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	_exit(1);
}
