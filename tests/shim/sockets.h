/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What listener.c needs of the kernel. Sockets are the test's own: it says how
 * many connections wait and what an accept comes to.
 */
#ifndef KFC_SHIM_SOCKETS_H
#define KFC_SHIM_SOCKETS_H

#include <fcntl.h>
#include <sys/un.h>

#include "net.h"

#define TCP_LISTEN 10
#define pr_debug(...) ((void)(0 && printf(__VA_ARGS__)))

typedef unsigned short umode_t;
struct llist_head { struct llist_node *first; };

struct net;
struct cred;
struct nsproxy { struct net *net_ns; };
struct shim_task { struct nsproxy *nsproxy; };
extern struct shim_task *current;

struct sock {
	int sk_family;
	int sk_state;
	void *sk_user_data;
	void (*sk_data_ready)(struct sock *sk);
	spinlock_t sk_callback_lock;
	u32 sk_receive_queue;	/* connections that wait */
	struct { u32 icsk_accept_queue; } icsk;
};

struct socket {
	struct sock *sk;
};

#define inet_csk(s) (&(s)->icsk)
#define reqsk_queue_empty(q) (!*(q))
#define skb_queue_empty_lockless(q) (!*(q))
#define read_lock_bh(l) spin_lock(l)
#define read_unlock_bh(l) spin_unlock(l)
#define write_lock_bh(l) spin_lock(l)
#define write_unlock_bh(l) spin_unlock(l)
int sock_create_kern(struct net *ns, int family, int type, int proto,
		     struct socket **sock);
int kernel_bind(struct socket *sock, struct sockaddr *addr, int len);
int kernel_listen(struct socket *sock, int backlog);
int kernel_accept(struct socket *sock, struct socket **new, int flags);
void sock_release(struct socket *sock);
#define ip6_sock_set_v6only(sk) ((void)(sk))
#define sock_set_reuseaddr(sk) ((void)(sk))
#define strscpy(dst, src, n) ((void)snprintf(dst, n, "%s", src))
static inline const struct cred *get_current_cred(void) { return NULL; }
#define current_cred() get_current_cred()
#define put_cred(c) ((void)(c))

/* Work runs when the test lets it; @delay is how long it would have waited. */
struct workqueue_struct;
struct delayed_work {
	struct work_struct work;
	bool queued;
	unsigned long delay;
};
#define to_delayed_work(w) container_of(w, struct delayed_work, work)
#define INIT_DELAYED_WORK(d, f) \
	(memset(d, 0, sizeof(*(d))), (void)((d)->work.fn = (f)))
static inline bool queue_delayed_work(struct workqueue_struct *wq,
				      struct delayed_work *d,
				      unsigned long delay)
{
	if (d->queued)
		return false;
	d->queued = true;
	d->delay = delay;
	return true;
}
#define cancel_delayed_work_sync(d) ((d)->queued = false)

struct ratelimit_state { int unused; };
#define __ratelimit(r) ((void)(r), true)
struct xarray { void *unused; };
struct hlist_node { void *unused; };

#endif /* KFC_SHIM_SOCKETS_H */
