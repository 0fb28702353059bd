/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The part of the kernel that the store needs, in user space and with one
 * thread: locks check that they are not taken twice, memory is malloc's so
 * that the sanitizers see every access, RCU sections are counted. With
 * KFC_THREADS there may be more, see threads.h.
 */
#ifndef KFC_SHIM_H
#define KFC_SHIM_H

#include <assert.h>
#include <ctype.h>
#include <linux/errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/types.h>

#include <xxhash.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64;
typedef int32_t s32;
typedef long long s64;
typedef u16 __le16;
typedef u32 __le32;
typedef u64 __le64;
typedef u32 __be32;
typedef u64 __be64;
typedef unsigned int gfp_t;

#define PAGE_SIZE 4096UL
#define U64_MAX (~0ULL)
#define U32_MAX UINT32_MAX
#define S64_MAX INT64_MAX
#define __rcu
#define __percpu
#define __init
#define __exit
#define ____cacheline_aligned_in_smp
#define BIT(n) (1UL << (n))
#define sizeof_field(t, m) sizeof(((t *)0)->m)
#define swap(a, b) do { __typeof__(a) a_ = (a); (a) = (b); (b) = a_; } while (0)
#define BIT_ULL(n) (1ULL << (n))
#define noinline __attribute__((noinline))
#define fallthrough __attribute__((fallthrough))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#ifndef static_assert
#define static_assert _Static_assert
#endif
#undef static_assert
#define __packed __attribute__((packed))
#define __aligned(n) __attribute__((aligned(n)))
#define static_assert(e, ...) _Static_assert(e, #e)

#define container_of(p, t, m) ((t *)((char *)(p) - offsetof(t, m)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define round_up(x, y) ((((x) - 1) | ((__typeof__(x))((y) - 1))) + 1)
#define min(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ < b_ ? a_ : b_; })
#define max(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ > b_ ? a_ : b_; })
#define min_t(t, a, b) ({ t a_ = (a); t b_ = (b); a_ < b_ ? a_ : b_; })
#define max_t(t, a, b) ({ t a_ = (a); t b_ = (b); a_ > b_ ? a_ : b_; })
#define clamp_t(t, v, lo, hi) min_t(t, max_t(t, v, lo), hi)
#define check_add_overflow(a, b, d) __builtin_add_overflow(a, b, d)
#define check_mul_overflow(a, b, d) __builtin_mul_overflow(a, b, d)
#define div_u64(a, b) ((u64)(a) / (b))
#define div64_u64(a, b) ((u64)(a) / (b))
#define div_u64_rem(a, b, r) (*(r) = (u64)(a) % (b), (u64)(a) / (b))
#define ilog2(n) (31 - __builtin_clz(n))
#define is_power_of_2(n) ((n) && !((n) & ((n) - 1)))
#define array_size(a, b) ((size_t)(a) * (b))
#define struct_size(p, m, n) (sizeof(*(p)) + sizeof((p)->m[0]) * (size_t)(n))

static inline u64 mul_u64_u64_shr(u64 a, u64 b, unsigned int shift)
{
	return (unsigned __int128)a * b >> shift;
}

/* Little-endian machines only, like the ones the tests run on. */
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
#define cpu_to_le16(x) ((__le16)(x))
#define cpu_to_le32(x) ((__le32)(x))
#define cpu_to_le64(x) ((__le64)(x))
#define cpu_to_be32(x) __builtin_bswap32(x)
#define cpu_to_be64(x) __builtin_bswap64(x)
#define le16_to_cpu(x) ((u16)(x))
#define le32_to_cpu(x) ((u32)(x))
#define le64_to_cpu(x) ((u64)(x))

/* memory order: one thread */
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#define smp_load_acquire(p) READ_ONCE(*(p))
#define smp_store_release(p, v) WRITE_ONCE(*(p), v)
#define smp_mb() do { } while (0)
#define smp_store_mb(x, v) do { WRITE_ONCE(x, v); smp_mb(); } while (0)
#define smp_rmb() do { } while (0)
#define smp_wmb() do { } while (0)
#define smp_mb__after_atomic() do { } while (0)
#define smp_mb__before_atomic() do { } while (0)
#define cmpxchg(p, o, n) ({ __typeof__(*(p)) was_ = *(p); \
	*(p) = was_ == (o) ? (n) : was_; was_; })
#define cmpxchg64(p, o, n) cmpxchg(p, o, n)
#define xchg(p, n) ({ __typeof__(*(p)) was_ = *(p); *(p) = (n); was_; })
#define try_cmpxchg64(p, o, n) ({ bool ok_ = *(p) == *(o); \
	*(ok_ ? (p) : (__typeof__(p))(o)) = ok_ ? (n) : *(p); ok_; })

typedef struct { int v; } atomic_t;
typedef struct { s64 v; } atomic64_t;
#define atomic_read(a) ((a)->v)
#define atomic_set(a, n) ((a)->v = (n))
#define atomic_inc(a) ((void)++(a)->v)
#define atomic_dec(a) ((void)--(a)->v)
#define atomic_add(n, a) ((void)((a)->v += (n)))
#define atomic_sub(n, a) ((void)((a)->v -= (n)))
#define atomic_inc_return(a) (++(a)->v)
#define atomic_add_return(n, a) ((a)->v += (n))
#define atomic_dec_and_test(a) (--(a)->v == 0)
#define atomic64_read(a) ((a)->v)
#define atomic64_set(a, n) ((a)->v = (n))
#define atomic64_inc_return(a) (++(a)->v)
#define atomic64_try_cmpxchg(a, o, n) try_cmpxchg64(&(a)->v, o, n)

/* locks */
typedef struct { bool held; } spinlock_t;
#define spin_lock_init(l) ((l)->held = false)
#define spin_lock(l) do { assert(!(l)->held); (l)->held = true; } while (0)
#define spin_trylock(l) (!(l)->held && ((l)->held = true))
#define spin_unlock(l) do { assert((l)->held); (l)->held = false; } while (0)
#define lockdep_is_held(l) ((l)->held)
#define lockdep_assert_held(l) assert(lockdep_is_held(l))

struct mutex { bool held; };
#define mutex_init(m) ((m)->held = false)
#define mutex_lock(m) spin_lock(m)
#define mutex_unlock(m) spin_unlock(m)

/* RCU */
extern int shim_rcu_depth;
void shim_run_works(void);
#define rcu_read_lock() ((void)shim_rcu_depth++)
#define rcu_read_unlock() do { assert(shim_rcu_depth > 0); \
	if (!--shim_rcu_depth) shim_run_works(); } while (0)
#define synchronize_rcu() assert(!shim_rcu_depth)
#define rcu_read_lock_held() (shim_rcu_depth > 0)
#define RCU_LOCKDEP_WARN(c, s) assert(!(c))
#define rcu_dereference(p) ({ assert(shim_rcu_depth); (p); })
#define rcu_dereference_protected(p, c) (p)
#define rcu_dereference_check(p, c) (p)
#define rcu_access_pointer(p) (p)
#define rcu_assign_pointer(p, v) ((p) = (v))
#define rcu_replace_pointer(p, v, c) ({ __typeof__(p) was_ = (p); \
	(p) = (v); was_; })

/* memory: a page is an object of its own, so that ASan guards its ends */
struct page {
	int refs;
	void *mem;
};
#define GFP_KERNEL 1u
#define GFP_NOWAIT 2u
#define __GFP_NORETRY 0u
#define __GFP_NOWARN 0u
#define __GFP_ZERO 4u
struct page *alloc_page(gfp_t gfp);
void put_page(struct page *p);
extern long shim_pages;
extern int shim_poison;
extern u64 shim_hash_mask;
extern int shim_fail_alloc;
#define get_page(p) ((void)(p)->refs++)
#define page_count(p) ((p)->refs)
#define page_address(p) ((p)->mem)
static inline void *shim_alloc(size_t n)
{
	if (shim_fail_alloc && !--shim_fail_alloc)
		return NULL;
	return calloc(1, n ? n : 1);
}
#define kmalloc(n, g) shim_alloc(n)
#define kzalloc(n, g) shim_alloc(n)
#define kvzalloc(n, g) shim_alloc(n)
#define kvmalloc(n, g) shim_alloc(n)
#define kcalloc(n, s, g) shim_alloc((size_t)(n) * (s))
#define __free_page(p) put_page(p)
#define kmalloc_array(n, s, g) shim_alloc((size_t)(n) * (s))
#define kvcalloc(n, s, g) shim_alloc((size_t)(n) * (s))
#define __vmalloc(n, g) shim_alloc(n)
#define kfree(p) free(p)
#define kfree_sensitive(p) free(p)
#define kvfree(p) free(p)
#define vfree(p) free(p)
struct kmem_cache { size_t size; };
static inline struct kmem_cache *kmem_cache_create(const char *n, size_t s,
						   int a, int f, void *c)
{
	struct kmem_cache *k = malloc(sizeof(*k));

	(void)n, (void)a, (void)f, (void)c;
	k->size = s;
	return k;
}
#define kmem_cache_destroy(k) free(k)
#define kmem_cache_alloc(k, g) shim_alloc((k)->size)
#define kmem_cache_free(k, p) free(p)

/* lists */
struct list_head { struct list_head *next, *prev; };
static inline void INIT_LIST_HEAD(struct list_head *l) { l->next = l->prev = l; }
static inline void list_insert(struct list_head *n, struct list_head *a, struct list_head *b)
{
	a->next = n; n->prev = a; n->next = b; b->prev = n;
}
#define list_add(n, h) list_insert(n, h, (h)->next)
#define list_add_tail(n, h) list_insert(n, (h)->prev, h)
static inline void list_del_init(struct list_head *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	INIT_LIST_HEAD(n);
}
#define list_del(n) list_del_init(n)
static inline void list_move_tail(struct list_head *n, struct list_head *h)
{
	list_del_init(n);
	list_add_tail(n, h);
}
static inline bool list_empty(const struct list_head *l) { return l->next == l; }
static inline void list_splice_init(struct list_head *from, struct list_head *to)
{
	while (!list_empty(from)) {
		struct list_head *n = from->prev;

		list_del_init(n);
		list_add(n, to);
	}
}
static inline bool list_is_first(const struct list_head *n, const struct list_head *h)
{
	return n->prev == h;
}
#define list_entry(p, t, m) container_of(p, t, m)
#define list_first_entry(h, t, m) list_entry((h)->next, t, m)
#define list_first_entry_or_null(h, t, m) (list_empty(h) ? NULL : list_first_entry(h, t, m))
#define list_last_entry(h, t, m) list_entry((h)->prev, t, m)
#define list_for_each_entry(p, h, m) \
	for (p = list_entry((h)->next, __typeof__(*p), m); &p->m != (h); \
	     p = list_entry(p->m.next, __typeof__(*p), m))
#define list_for_each_entry_reverse(p, h, m) \
	for (p = list_entry((h)->prev, __typeof__(*p), m); &p->m != (h); \
	     p = list_entry(p->m.prev, __typeof__(*p), m))
#define list_for_each_entry_safe(p, n, h, m) \
	for (p = list_entry((h)->next, __typeof__(*p), m), \
	     n = list_entry(p->m.next, __typeof__(*p), m); &p->m != (h); \
	     p = n, n = list_entry(n->m.next, __typeof__(*n), m))
struct llist_node { struct llist_node *next; };

/* hashes */
typedef struct { u64 key[2]; } siphash_key_t;
u64 siphash(const void *p, size_t len, const siphash_key_t *k);
#define xxh64(p, n, s) XXH64(p, n, s)
#define xxh32(p, n, s) XXH32(p, n, s)
void get_random_bytes(void *p, size_t n);

#define crypto_memneq(a, b, n) (memcmp(a, b, n) != 0)
#define memzero_explicit(p, n) memset(p, 0, n)

/* time and threads */
extern unsigned long jiffies;
#define HZ 1000
#define msecs_to_jiffies(ms) ((unsigned long)(ms))
#define jiffies_to_msecs(j) ((unsigned int)(j))
#define time_before(a, b) ((long)((a) - (b)) < 0)
#define time_after(a, b) time_before(b, a)
#define time_after_eq(a, b) (!time_before(a, b))
#define MAX_SCHEDULE_TIMEOUT 0
#define cond_resched() do { } while (0)
#define cond_resched_tasks_rcu_qs() do { } while (0)
#define raw_smp_processor_id() 0
typedef struct { int n; } wait_queue_head_t;
#define init_waitqueue_head(w) ((void)(w))
#define wake_up(w) ((void)(w))
#define wait_event_idle(w, c) assert(c)
#define wait_event_idle_timeout(w, c, t) ((void)(t))
struct task_struct;
#define kthread_run(f, a, ...) ((void)(f), (struct task_struct *)NULL)
#define kthread_create(f, a, ...) kthread_run(f, a)
#define wake_up_process(t) ((void)(t))
#define kthread_stop(t) ((void)(t))
#define kthread_should_stop() true
#define get_task_struct(t) ((void)(t))
#define put_task_struct(t) ((void)(t))
#define IS_ERR(p) ((unsigned long)(p) >= (unsigned long)-4095)
#define PTR_ERR(p) ((long)(p))
#define ERR_PTR(e) ((void *)(long)(e))
struct completion { bool done; };
#define init_completion(c) ((c)->done = false)
#define complete(c) ((c)->done = true)
/* Brings about what the only thread waits for. */
extern void (*shim_wait)(void);
#define wait_for_completion(c) do { while (!(c)->done) shim_wait(); } while (0)
/* ... or not in time */
extern bool shim_hangs;
#define wait_for_completion_timeout(c, t) ({ (void)(t); \
	while (!(c)->done && !shim_hangs) \
		shim_wait(); \
	(c)->done; })
#define try_wait_for_completion(c) ((c)->done)
/* Work is done at once, or as soon as it may wait for a grace period. */
struct work_struct {
	void (*fn)(struct work_struct *w);
	struct work_struct *next;
	bool pending;
	bool running;
	void *co;
};
extern bool shim_works_off;	/* ... or when shim_run_works() is called */
void shim_queue_work(struct work_struct *w);
void shim_flush_work(struct work_struct *w, bool run);
#define INIT_WORK(w, f) (memset(w, 0, sizeof(*(w))), (void)((w)->fn = (f)))
#define destroy_work_on_stack(w) ((void)(w))
#define queue_work(q, w) shim_queue_work(w)
#define flush_work(w) shim_flush_work(w, true)
#define cancel_work_sync(w) shim_flush_work(w, false)

/* the rest */
#define __stringify_1(...) #__VA_ARGS__
#define __stringify(...) __stringify_1(__VA_ARGS__)
#define sort(b, n, s, c, swap) qsort(b, n, s, c)
#define le64_add_cpu(p, n) (*(p) += (n))
#define hweight32(n) __builtin_popcount(n)
#define generate_random_uuid(u) get_random_bytes(u, 16)
static inline void *memchr_inv(const void *p, int c, size_t n)
{
	if (!n || (*(const u8 *)p == (u8)c && !memcmp(p, p + 1, n - 1)))
		return NULL;
	while (*(const u8 *)p == (u8)c)
		p++;
	return (void *)p;
}
#define memchr_inv memchr_inv
struct bio_vec { struct page *bv_page; unsigned int bv_len, bv_offset; };
typedef struct { u8 b[16]; } uuid_t;
typedef struct { unsigned long bits; } cpumask_var_t[1];
struct percpu_counter { s64 count; };
#define percpu_counter_init(c, n, g) ((c)->count = (n), 0)
#define percpu_counter_destroy(c) ((void)(c))
#define percpu_counter_add_batch(c, n, b) ((void)(b), (void)((c)->count += (n)))
#define percpu_counter_read(c) ((c)->count)
#define percpu_counter_read_positive(c) max_t(s64, (c)->count, 0)
#define num_possible_cpus() 1
#define this_cpu_inc(x) ((void)(x)++)
#define this_cpu_add(x, n) ((void)((x) += (n)))
#define pr_info(...) ((void)(0 && printf(__VA_ARGS__)))
#define pr_err(...) ((void)(0 && printf(__VA_ARGS__)))
#define pr_err_ratelimited(...) ((void)(0 && printf(__VA_ARGS__)))
/* The last warning, and how many there were. */
extern char shim_warning[512];
extern int shim_warnings;
#define pr_warn(...) (shim_warnings++, \
	(void)snprintf(shim_warning, sizeof(shim_warning), __VA_ARGS__))
#define pr_warn_ratelimited(...) ((void)(0 && printf(__VA_ARGS__)))
#define pr_notice(...) ((void)(0 && printf(__VA_ARGS__)))
/* Lines of the index that were looked at; see module/observe.h. */
extern u64 shim_lines;
#define kfc_saw_lines(n) ((void)(shim_lines += (n)))
#define WARN_ON_ONCE(c) ({ bool c_ = (c); assert(!c_); c_; })

#ifdef KFC_SIM
#include "points.h"
#endif
#ifdef KFC_THREADS
#include "threads.h"
#endif

#endif /* KFC_SHIM_H */
