/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The shim with threads, for ThreadSanitizer: what the kernel's memory model
 * calls marked accesses are atomics here, locks are locks, and a grace period
 * waits for readers. A plain access that races with another one is reported.
 *
 * Who reads under RCU may take a spinlock whose holder begins to read, too: so
 * readers go before who waits for them.
 */
#ifndef KFC_SHIM_THREADS_H
#define KFC_SHIM_THREADS_H

#include <pthread.h>
#include <sched.h>

#undef READ_ONCE
#undef WRITE_ONCE
#undef smp_load_acquire
#undef smp_store_release
#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v) __atomic_store_n(&(x), v, __ATOMIC_RELAXED)
#define smp_load_acquire(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)

/* ThreadSanitizer knows no fences. */
extern int shim_fence;
#undef smp_mb
#undef smp_rmb
#undef smp_wmb
#undef smp_mb__after_atomic
#undef smp_mb__before_atomic
#define smp_mb() ((void)__atomic_fetch_add(&shim_fence, 1, __ATOMIC_SEQ_CST))
#define smp_rmb() smp_mb()
#define smp_wmb() smp_mb()
#define smp_mb__after_atomic() smp_mb()
#define smp_mb__before_atomic() smp_mb()

#undef cmpxchg
#undef xchg
#undef try_cmpxchg64
#define try_cmpxchg64(p, o, n) __atomic_compare_exchange_n(p, o, n, 0, \
	__ATOMIC_SEQ_CST, __ATOMIC_RELAXED)
#define cmpxchg(p, o, n) ({ __typeof__(*(p)) was_ = (o); \
	try_cmpxchg64(p, &was_, n); was_; })
#define xchg(p, n) __atomic_exchange_n(p, n, __ATOMIC_SEQ_CST)

#undef atomic_read
#undef atomic_set
#undef atomic_inc
#undef atomic_dec
#undef atomic_add
#undef atomic_sub
#undef atomic_inc_return
#undef atomic_add_return
#undef atomic_dec_and_test
#undef atomic64_read
#undef atomic64_set
#undef atomic64_inc_return
#define shim_add(p, n) ((void)__atomic_fetch_add(p, n, __ATOMIC_RELAXED))
#define atomic_read(a) READ_ONCE((a)->v)
#define atomic_set(a, n) WRITE_ONCE((a)->v, n)
#define atomic_inc(a) shim_add(&(a)->v, 1)
#define atomic_dec(a) shim_add(&(a)->v, -1)
#define atomic_add(n, a) shim_add(&(a)->v, n)
#define atomic_sub(n, a) shim_add(&(a)->v, -(n))
#define atomic_add_return(n, a) \
	__atomic_add_fetch(&(a)->v, n, __ATOMIC_SEQ_CST)
#define atomic_inc_return(a) atomic_add_return(1, a)
#define atomic_dec_and_test(a) (!atomic_add_return(-1, a))
#define atomic64_read(a) atomic_read(a)
#define atomic64_set(a, n) atomic_set(a, n)
#define atomic64_inc_return(a) atomic_inc_return(a)
#undef this_cpu_inc
#undef this_cpu_add
#undef percpu_counter_add_batch
#undef percpu_counter_read_positive
#define this_cpu_inc(x) shim_add(&(x), 1)
#define this_cpu_add(x, n) shim_add(&(x), n)
#define percpu_counter_add_batch(c, n, b) ((void)(b), shim_add(&(c)->count, n))
/* The kernel's other one is plain. */
#define percpu_counter_read_positive(c) \
	max_t(s64, READ_ONCE((c)->count), 0)
#undef get_page
#undef page_count
#define get_page(p) shim_add(&(p)->refs, 1)
#define page_count(p) smp_load_acquire(&(p)->refs)

#undef spin_lock_init
#undef spin_lock
#undef spin_trylock
#undef spin_unlock
#undef lockdep_is_held
#define spin_lock_init(l) __atomic_clear(&(l)->held, __ATOMIC_RELAXED)
#define spin_trylock(l) (!__atomic_test_and_set(&(l)->held, __ATOMIC_ACQUIRE))
#define spin_lock(l) do { while (!spin_trylock(l)) sched_yield(); } while (0)
#define spin_unlock(l) __atomic_clear(&(l)->held, __ATOMIC_RELEASE)
#define lockdep_is_held(l) READ_ONCE((l)->held)

extern pthread_rwlock_t shim_rcu;
extern _Thread_local int shim_readers;
#define shim_rcu_depth shim_readers
#undef rcu_read_lock
#undef rcu_read_unlock
#undef synchronize_rcu
#undef rcu_dereference
#undef rcu_dereference_check
#undef rcu_access_pointer
#undef rcu_assign_pointer
#undef rcu_replace_pointer
#define rcu_read_lock() do { if (!shim_rcu_depth++) \
	pthread_rwlock_rdlock(&shim_rcu); } while (0)
#define rcu_read_unlock() do { if (!--shim_rcu_depth) \
	pthread_rwlock_unlock(&shim_rcu); } while (0)
#define synchronize_rcu() do { assert(!shim_rcu_depth); \
	pthread_rwlock_wrlock(&shim_rcu); \
	pthread_rwlock_unlock(&shim_rcu); } while (0)
#define rcu_dereference(p) smp_load_acquire(&(p))
#define rcu_dereference_check(p, c) smp_load_acquire(&(p))
#define rcu_access_pointer(p) READ_ONCE(p)
#define rcu_assign_pointer(p, v) smp_store_release(&(p), v)
#define rcu_replace_pointer(p, v, c) ({ __typeof__(p) was_ = (p); \
	rcu_assign_pointer(p, v); was_; })

/* The pointers that the kernel marks: list_empty() needs no lock. */
static inline bool shim_list_empty(const struct list_head *l)
{
	return READ_ONCE(l->next) == l;
}

static inline void shim_list_insert(struct list_head *n, struct list_head *a,
				    struct list_head *b)
{
	b->prev = n;
	n->next = b;
	n->prev = a;
	WRITE_ONCE(a->next, n);
}

static inline void shim_list_del_init(struct list_head *n)
{
	n->next->prev = n->prev;
	WRITE_ONCE(n->prev->next, n->next);
	WRITE_ONCE(n->next, n);
	WRITE_ONCE(n->prev, n);
}

static inline void shim_list_splice_init(struct list_head *from,
					 struct list_head *to)
{
	while (!shim_list_empty(from)) {
		struct list_head *n = from->prev;

		shim_list_del_init(n);
		shim_list_insert(n, to, to->next);
	}
}

static inline void shim_list_move_tail(struct list_head *n,
				       struct list_head *h)
{
	shim_list_del_init(n);
	shim_list_insert(n, h->prev, h);
}

#undef list_add
#undef list_add_tail
#undef list_first_entry_or_null
#define list_add(n, h) shim_list_insert(n, h, (h)->next)
#define list_add_tail(n, h) shim_list_insert(n, (h)->prev, h)
#define list_del_init(n) shim_list_del_init(n)
#define list_move_tail(n, h) shim_list_move_tail(n, h)
#define list_splice_init(f, t) shim_list_splice_init(f, t)
#define list_empty(l) shim_list_empty(l)
#define list_first_entry_or_null(h, t, m) ({ \
	struct list_head *n_ = READ_ONCE((h)->next); \
	n_ == (h) ? NULL : list_entry(n_, t, m); })

extern _Thread_local int shim_cpu;
#undef raw_smp_processor_id
#undef cond_resched
#undef cond_resched_tasks_rcu_qs
#undef kfc_saw_lines
#define raw_smp_processor_id() shim_cpu
#define cond_resched() sched_yield()
#define cond_resched_tasks_rcu_qs() sched_yield()
#define kfc_saw_lines(n) ((void)(n))

#endif /* KFC_SHIM_THREADS_H */
