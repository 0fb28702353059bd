/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The shim under the simulator: wherever threads of a kernel could meet, the
 * running coroutine may be switched for another one.
 */
#ifndef KFC_SIM_POINTS_H
#define KFC_SIM_POINTS_H

#include "sched.h"

/* memory order: one access at a time, each seen by all at once */
#undef READ_ONCE
#undef WRITE_ONCE
#undef smp_mb
#undef smp_wmb
#undef smp_rmb
#undef cmpxchg
#undef try_cmpxchg64
#define READ_ONCE(x) ({ sim_point(); \
	*(const volatile __typeof__(x) *)&(x); })
#define WRITE_ONCE(x, v) ({ __typeof__(x) new_ = (v); sim_point(); \
	*(volatile __typeof__(x) *)&(x) = new_; })
#define smp_mb() sim_point()
#define smp_wmb() sim_point()
#define smp_rmb() sim_point()
#define cmpxchg(p, o, n) ({ sim_point(); __typeof__(*(p)) was_ = *(p); \
	*(p) = was_ == (o) ? (n) : was_; was_; })
#define try_cmpxchg64(p, o, n) ({ sim_point(); bool ok_ = *(p) == *(o); \
	*(ok_ ? (p) : (__typeof__(p))(o)) = ok_ ? (n) : *(p); ok_; })

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
#define atomic_read(a) (sim_point(), (a)->v)
#define atomic_set(a, n) ((void)(sim_point(), (a)->v = (n)))
#define atomic_inc(a) ((void)(sim_point(), ++(a)->v))
#define atomic_dec(a) ((void)(sim_point(), --(a)->v))
#define atomic_add(n, a) ((void)(sim_point(), (a)->v += (n)))
#define atomic_sub(n, a) ((void)(sim_point(), (a)->v -= (n)))
#define atomic_inc_return(a) (sim_point(), ++(a)->v)
#define atomic_add_return(n, a) (sim_point(), (a)->v += (n))
#define atomic_dec_and_test(a) (sim_point(), --(a)->v == 0)
#define atomic64_read(a) (sim_point(), (a)->v)
#define atomic64_set(a, n) ((void)(sim_point(), (a)->v = (n)))
#define atomic64_inc_return(a) (sim_point(), ++(a)->v)

/* locks */
#undef spin_lock
#undef spin_trylock
#undef spin_unlock
#define spin_trylock(l) sim_trylock(&(l)->held)
#define spin_lock(l) sim_lock(&(l)->held)
#define spin_unlock(l) sim_unlock(&(l)->held)

/* RCU */
#undef rcu_read_lock
#undef rcu_read_unlock
#undef synchronize_rcu
#undef rcu_read_lock_held
#undef rcu_dereference
#undef rcu_assign_pointer
#define rcu_read_lock() sim_rcu_lock()
#define rcu_read_unlock() sim_rcu_unlock()
#define synchronize_rcu() sim_rcu_wait()
#define rcu_read_lock_held() sim_rcu_held()
#define rcu_dereference(p) (assert(sim_rcu_held()), sim_point(), (p))
#define rcu_assign_pointer(p, v) WRITE_ONCE(p, v)

/* memory: bytes of a page are reached by page_address(), so others may run */
#undef page_address
#undef page_count
#define page_address(p) (sim_point(), (p)->mem)
#define page_count(p) (sim_point(), (p)->refs)
#define shim_alloc(n) sim_alloc(n, true)
#undef kmalloc
#undef kmalloc_array
#undef kfree
#undef kvfree
#undef vfree
#undef kmem_cache_free
#undef kmem_cache_alloc
#define kmem_cache_alloc(k, g) sim_alloc((k)->size, false)
#define kmalloc(n, g) sim_alloc(n, false)
#define kmalloc_array(n, s, g) sim_alloc((size_t)(n) * (s), false)
#define kfree(p) sim_free(p)
#define kvfree(p) sim_free(p)
#define vfree(p) sim_free(p)
#define kmem_cache_free(k, p) sim_free(p)

/* time and threads */
#undef cond_resched
#undef raw_smp_processor_id
#undef wake_up
#undef wait_event_idle
#undef wait_event_idle_timeout
#undef kthread_run
#undef kthread_create
#undef wake_up_process
#undef get_task_struct
#undef put_task_struct
#undef kthread_stop
#undef kthread_should_stop
#undef complete
#undef wait_for_completion
#undef wait_for_completion_timeout
#undef try_wait_for_completion
#define cond_resched() sim_point()
#define raw_smp_processor_id() sim_cpu()
#define wake_up(w) sim_wake(w)
#define wait_event_idle_timeout(w, c, t) ({ sim_wait_begin(&(w), t); \
	while (!(c) && sim_wait_more()) \
		; \
	sim_wait_end(); })
#define wait_event_idle(w, c) \
	wait_event_idle_timeout(w, c, MAX_SCHEDULE_TIMEOUT)
#define kthread_run(f, a, ...) \
	((struct task_struct *)sim_spawn(#f, f, a))
#define kthread_create(f, a, ...) ({ sim_no_thread() ? \
	(struct task_struct *)ERR_PTR(-ENOMEM) : kthread_run(f, a); })
/* It runs as soon as it gets its turn, which is not before the next point. */
#define wake_up_process(t) ((void)(t))
#define get_task_struct(t) sim_keep_co((struct sim_co *)(t), true)
#define put_task_struct(t) sim_keep_co((struct sim_co *)(t), false)
#define kthread_stop(t) sim_stop_co((struct sim_co *)(t))
#define kthread_should_stop() sim_should_stop()
#define complete(c) ({ (c)->done = true; sim_wake(c); })
#define wait_for_completion(c) wait_event_idle(*(c), READ_ONCE((c)->done))
#define wait_for_completion_timeout(c, t) ({ \
	wait_event_idle_timeout(*(c), READ_ONCE((c)->done), t); (c)->done; })
#define try_wait_for_completion(c) READ_ONCE((c)->done)

#undef this_cpu_inc
#undef this_cpu_add
#define this_cpu_inc(x) sim_count(&(x), 1)
#define this_cpu_add(x, n) sim_count(&(x), n)

#endif /* KFC_SIM_POINTS_H */
