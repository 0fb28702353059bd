/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Coroutines, chance and time of one run. All of it is a function of the seed:
 * nothing here may depend on an address, on the machine's clock or on what was
 * run before in this process.
 */
#ifndef KFC_SIM_SCHED_H
#define KFC_SIM_SCHED_H

#include "shim.h"

/* Chance. One call an expression: the order of two would be the compiler's. */
u64 sim_rand(void);
static inline u32 sim_below(u32 n)
{
	return (sim_rand() >> 32) * n >> 32;
}

static inline bool sim_one_in(u32 n)
{
	return !sim_below(n);
}

/*
 * Coins: marked places that go the other way now and then. Every run draws
 * which of them are in use, and how often they come up.
 */
enum sim_coin_kind {
	SIM_FAULT,	/* what goes wrong around the cache */
	SIM_RARE,	/* a rare branch in the code under test */
	SIM_CAUSE,	/* why a miss was one; only counted */
	SIM_MOVE,	/* where a record went; only counted */
	SIM_TOLD,	/* what was done or answered; only counted */
	SIM_KINDS
};

struct sim_coin {
	const char *name;
	enum sim_coin_kind kind;
	u32 one_in;	/* in this run, 0 for never */
	u64 hits;	/* in this run */
	u64 total;	/* in this process */
	u64 runs;	/* that came by with heads up */
};

#define SIM_COIN_DEFINE(kind_, name_) \
	static struct sim_coin coin_ __attribute__((aligned(8))) = \
		{ .name = name_, .kind = kind_ }; \
	static struct sim_coin *const coin_p_ \
		__attribute__((section("sim_coins"), used)) = &coin_
#define SIM_COIN(kind_, name_) \
	({ SIM_COIN_DEFINE(kind_, name_); sim_flip(&coin_); })
#define sim_fault(name) SIM_COIN(SIM_FAULT, name)
/* No coin: it is only noted that this place was reached. */
#define SIM_NOTE(kind_, name_) \
	({ SIM_COIN_DEFINE(kind_, name_); (void)coin_p_; coin_.hits++; })
#define sim_cause(name) SIM_NOTE(SIM_CAUSE, name)
#define sim_move(name) SIM_NOTE(SIM_MOVE, name)
#define sim_told(name) SIM_NOTE(SIM_TOLD, name)

bool sim_flip(struct sim_coin *coin);
void sim_coins_start(u64 seed, bool faults);
void sim_coins_end(void);
u64 sim_coin_hits(const char *name);
/* Prints them; false where a fault or a rare branch was never reached. */
bool sim_coins_print(u64 runs);

/* Coroutines. */
#define SIM_CPUS 16

struct sim_co;

extern u64 sim_steps;
extern u64 sim_step_limit;

void sim_point(void);
/* model.c: the running coroutine may be switched for another one. */
void model_yields(void);
void sim_yield(void);
void sim_lock(bool *held);
bool sim_trylock(bool *held);
void sim_unlock(bool *held);
void sim_rcu_lock(void);
void sim_rcu_unlock(void);
bool sim_rcu_held(void);
void sim_rcu_wait(void);
int sim_cpu(void);
void sim_wake(void *queue);
void sim_wait_begin(void *queue, unsigned long ms);
bool sim_wait_more(void);
void sim_wait_end(void);
struct sim_co *sim_spawn(const char *name, int (*fn)(void *arg), void *arg);
const char *sim_co_name(void);
bool sim_alive(const struct sim_co *co);
/* Is there none to be had this time? */
bool sim_no_thread(void);
/* While it is kept, one that has ended is no other one yet. */
void sim_keep_co(struct sim_co *co, bool keep);
void sim_stop_co(struct sim_co *co);
bool sim_should_stop(void);

/* Wait for a wake of @queue, at most @ms (0: for ever). */
void sim_sleep(void *queue, unsigned long ms);

/* Run @main as the first coroutine, to its end. */
void sim_run_co(int (*main)(void *arg), void *arg);
void sim_time_jump(unsigned long ms, u64 seconds);
/* While set, time stands but for what waits for it. */
extern bool sim_calm;

/* Memory. */
extern long sim_allocs;
extern bool sim_allocs_fail;
void *sim_alloc(size_t n, bool zero);
void sim_free(void *p);
/* Allocations that failed in the running coroutine. */
u64 sim_failed_here(void);

/* The counters of the code under test, one set a coroutine: see model.c. */
void sim_count(u64 *counter, u64 n);

void sim_fail(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));

#endif /* KFC_SIM_SCHED_H */
