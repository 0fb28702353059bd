/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_WORKER_H
#define KFC_WORKER_H

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/ratelimit.h>
#include <linux/socket.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "command.h"
#include "out.h"
#include "pages.h"
#include "params.h"

struct cred;
struct kfc_cache;
struct kfc_conn;
struct kmem_cache;
struct sock;
struct socket;
struct kfc_udp;
struct kfc_udp_worker;
struct task_struct;

/* Receive buffers kept for when memory is short. */
#define KFC_SPARES	4

/* Bits of kfc_worker.flags. */
#define KFC_WORKER_RETRY	0	/* starved connections may try again */

/**
 * struct kfc_worker - a kthread and the connections it owns
 * @net: whose
 * @task: the thread; referenced
 * @cpu: where it runs while that is online
 * @flags: atomic bits
 * @nr_conns: connections that were given to it and are not closed
 * @sched: connections that something happened to, new ones too; any context adds
 * @events: struct kfc_event; any context adds
 * @conns: open connections
 * @zombies: closed ones that operations or @sched still refer to
 * @ready: connections that are to get a turn
 * @starved: connections that found no place or no memory
 * @fly: connections with operations in flight
 * @starving: @starved is not empty; the owner writes, others read
 * @nr_upwaits: connections that wait for the upload budget
 * @scratch: where bytes are received, KFC_RBUF
 * @rbytes: memory of receive buffers; the owner writes, others read
 * @pool: memory for queued text
 * @kept: pages for device reads
 * @spare: buffers of KFC_RBUF for when memory is short; xchg()
 * @refill: allocates what is missing there
 * @udp: udp.c's own, NULL where there is no UDP; constant after start
 * @retry_at: jiffies at which @starved gets another turn
 * @fly_at: jiffies of the next kfc_cmd_tick()
 * @shed_at: jiffies of the next look at slow uploads
 * @dry_at: jiffies of the next look at those who take nothing
 * @tick_at: jiffies of the next look at all connections
 * @up: the thread has begun to run
 * @stopping: its connections were closed, no new ones come
 *
 * All fields belong to @task where nothing else is said.
 */
struct kfc_worker {
	struct kfc_net *net;
	struct task_struct *task;
	int cpu;
	unsigned long flags;
	atomic_t nr_conns;
	struct llist_head sched ____cacheline_aligned_in_smp;
	struct llist_head events;
	struct list_head conns ____cacheline_aligned_in_smp;
	struct list_head zombies;
	struct list_head ready;
	struct list_head starved;
	struct list_head fly;
	bool starving;
	u32 nr_upwaits;
	u8 *scratch;
	u64 rbytes;
	struct kfc_out_pool pool;
	struct kfc_pages kept;
	u8 *spare[KFC_SPARES];
	struct work_struct refill;
	struct kfc_udp_worker *udp;
	unsigned long retry_at;
	unsigned long fly_at;
	unsigned long shed_at;
	unsigned long dry_at;
	unsigned long tick_at;
	struct completion up;
	bool stopping;
};

/**
 * struct kfc_listener - a listening socket
 * @net: whose
 * @sock: the socket
 * @addr: where it listens
 * @data_ready: the socket's own callback
 * @cred: of whoever made the file of a UNIX socket; NULL for others
 * @work: accepts
 */
struct kfc_listener {
	struct kfc_net *net;
	struct socket *sock;
	struct sockaddr_storage addr;
	void (*data_ready)(struct sock *sk);
	const struct cred *cred;
	struct delayed_work work;
};

/**
 * struct kfc_net - workers, listeners and what they share
 * @cache: whose
 * @workers: workers; constant after start
 * @nr_workers: how many
 * @next: where the search for the least loaded one starts
 * @listeners: listening sockets; constant after start
 * @nr_listeners: how many; likewise, when they are closed, too
 * @udp: udp.c's sockets, NULL where there are none; constant after start
 * @conn_cache: struct kfc_conn
 * @wq: where accepting is done
 * @cpuhp: state of the CPU hotplug callback, 0 for none
 * @cpuhp_node: this one's place there
 * @conns: connections that are open or being accepted
 * @by_id: open connections by number, for stats; its own lock
 * @next_id: where the search for a free number starts; @by_id's lock
 * @accept_lock: @accepting, @listening, growth of @conns
 * @accepting: false while max_conns keeps the listeners waiting
 * @listening: false once the listeners are closed
 * @full_said: the log says that max_conns was reached
 * @full_rs: keeps clients from filling the log
 * @upload_lock: what follows; taken in workers only
 * @uploads: struct kfc_upload, oldest first
 * @upload_waiters: struct kfc_conn that wait for budget, first come first served
 * @upload_used: bytes reserved of cfg.upload_bytes; READ_ONCE elsewhere
 * @upload_victim: an upload that was told to go and is not gone yet
 */
struct kfc_net {
	struct kfc_cache *cache;
	struct kfc_worker **workers;
	unsigned int nr_workers;
	unsigned int next;
	struct kfc_listener listeners[KFC_MAX_LISTEN + 1];
	unsigned int nr_listeners;
	struct kfc_udp *udp;
	struct kmem_cache *conn_cache;
	struct workqueue_struct *wq;
	int cpuhp;
	struct hlist_node cpuhp_node;
	atomic_t conns;
	struct xarray by_id;
	u32 next_id;
	spinlock_t accept_lock;		/* see above */
	bool accepting;
	bool listening;
	bool full_said;
	struct ratelimit_state full_rs;
	spinlock_t upload_lock;		/* see above */
	struct list_head uploads;
	struct list_head upload_waiters;
	u64 upload_used;
	struct kfc_upload *upload_victim;
};

struct kfc_worker *kfc_worker_start(struct kfc_net *net, unsigned int nr,
				    int cpu);
void kfc_worker_stop(struct kfc_worker *w);
void kfc_worker_free(struct kfc_worker *w);
void kfc_worker_wake(struct kfc_worker *w);
void kfc_worker_post(struct kfc_client *cl, struct kfc_event *ev);
u8 *kfc_worker_rbuf(struct kfc_worker *w, u32 size, u32 *cap);

int kfc_listener_open(struct kfc_net *net, const struct sockaddr_storage *addr);
int kfc_listener_open_unix(struct kfc_net *net, const char *path, umode_t mode);
void kfc_listener_start(struct kfc_net *net);
void kfc_listener_stop(struct kfc_net *net);
void kfc_listener_kick(struct kfc_net *net);
void kfc_listener_gone(struct kfc_net *net);

#endif /* KFC_WORKER_H */
