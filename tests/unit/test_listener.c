// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Accepting: errors, and max_conns. The listener is the module's, the sockets
 * are the test's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "sockets.h"

/* Of all that is in it a listener wants two functions. */
#define KFC_COMPAT_H
#define kfc_trace_sk_data_ready(sk) ((void)(sk))
#define kfc_sk_hold_net(sk) ((void)(sk))

#include "../../module/listener.c"

#include <cmocka.h>

static struct nsproxy nsproxy;
static struct shim_task task = { &nsproxy };
struct shim_task *current = &task;

/* Sockets that there are, and connections that were opened. */
static int sockets, opened;
/* So many accepts, or openings of what was accepted, fail with this. */
static int fail_accepts, fail_opens, fail_with;

static struct socket *new_socket(void)
{
	struct socket *s = calloc(1, sizeof(*s));

	s->sk = calloc(1, sizeof(*s->sk));
	sockets++;
	return s;
}

int sock_create_kern(struct net *ns, int family, int type, int proto,
		     struct socket **sock)
{
	*sock = new_socket();
	(*sock)->sk->sk_family = family;
	return 0;
}

int kernel_bind(struct socket *sock, struct sockaddr *addr, int len)
{
	return 0;
}

int kernel_listen(struct socket *sock, int backlog)
{
	sock->sk->sk_state = TCP_LISTEN;
	return 0;
}

int kernel_accept(struct socket *sock, struct socket **new, int flags)
{
	assert_int_equal(sock->sk->sk_state, TCP_LISTEN);
	assert_int_equal(flags, O_NONBLOCK);
	if (fail_accepts) {
		fail_accepts--;
		return fail_with;
	}
	if (!sock->sk->icsk.icsk_accept_queue)
		return -EAGAIN;
	sock->sk->icsk.icsk_accept_queue--;
	*new = new_socket();
	return 0;
}

void sock_release(struct socket *sock)
{
	free(sock->sk);
	free(sock);
	sockets--;
}

/* It is open until close_one(). */
static struct socket *conns[64];

int kfc_conn_open(struct kfc_net *net, struct socket *sock,
		  void (*data_ready)(struct sock *sk))
{
	if (fail_opens) {
		fail_opens--;
		return fail_with;
	}
	conns[opened++] = sock;
	return 0;
}

int kfc_unix_bind(struct socket *sock, struct sockaddr_storage *addr,
		  umode_t mode)
{
	return 0;
}

void kfc_unix_unlink(struct socket *sock, const struct cred *cred)
{
}

static struct kfc_counters counters;
static struct kfc_cache cache = { .counters = &counters };
static struct kfc_net net;

static void close_one(void)
{
	sock_release(conns[--opened]);
	kfc_listener_gone(&net);
}

/* So many connections come; the callback is what the kernel would call. */
static void come(u32 n)
{
	struct sock *sk = net.listeners[0].sock->sk;

	while (n--) {
		sk->icsk.icsk_accept_queue++;
		sk->sk_data_ready(sk);
	}
}

/* Returns how long what was queued has waited, -1 where nothing was. */
static long run(void)
{
	struct delayed_work *d = &net.listeners[0].work;
	long delay = d->queued ? (long)d->delay : -1;

	if (d->queued) {
		d->queued = false;
		d->work.fn(&d->work);
	}
	return delay;
}

static void start(u32 max_conns)
{
	struct sockaddr_storage addr = { .ss_family = AF_INET };

	memset(&counters, 0, sizeof(counters));
	memset(&net, 0, sizeof(net));
	net.cache = &cache;
	cache.cfg.max_conns = max_conns;
	opened = 0;
	assert_int_equal(kfc_listener_open(&net, &addr), 0);
	kfc_listener_start(&net);
	run();
}

static void stop(void)
{
	while (opened)
		close_one();
	kfc_listener_stop(&net);
	/* Until the workers end clients may ask for their addresses. */
	assert_int_equal(net.nr_listeners, 1);
	assert_int_equal(atomic_read(&net.conns), 0);
	assert_int_equal(sockets, 0);
}

/* fatcache closed its listener when an accept failed. */
static void test_accept_error(void **state)
{
	static const int errors[] = {
		-ENFILE, -EMFILE, -ENOMEM, -ENOBUFS, -ECONNABORTED, -EINTR,
		-EPERM,
	};
	u32 i, opens;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		for (opens = 0; opens < 2; opens++) {
			start(10);
			fail_with = errors[i];
			*(opens ? &fail_opens : &fail_accepts) = 3;
			come(5);
			assert_int_equal(run(), 0);
			/* It comes back for them, and not at once. */
			assert_int_equal(run(), KFC_ACCEPT_BACKOFF_MS);
			assert_int_equal(run(), KFC_ACCEPT_BACKOFF_MS);
			assert_int_equal(opened, 0);
			assert_int_equal(atomic_read(&net.conns), 0);
			assert_int_equal(run(), KFC_ACCEPT_BACKOFF_MS);
			/* One that was accepted and not opened is lost. */
			assert_int_equal(opened, opens ? 2 : 5);
			assert_int_equal(counters.accept_errors, 3);
			come(3);
			run();
			assert_int_equal(opened, opens ? 5 : 8);
			stop();
		}
	}
}

/* fatcache took as many as came. */
static void test_max_conns(void **state)
{
	start(10);
	come(50);
	while (run() >= 0)
		;
	assert_int_equal(opened, 10);
	assert_int_equal(counters.listen_disabled_num, 1);
	assert_false(net.accepting);
	/* Each that goes lets another in. */
	close_one();
	close_one();
	close_one();
	assert_int_equal(opened, 7);
	while (run() >= 0)
		;
	assert_int_equal(opened, 10);
	assert_int_equal(atomic_read(&net.conns), 10);
	while (net.listeners[0].sock->sk->icsk.icsk_accept_queue) {
		close_one();
		while (run() >= 0)
			;
		assert_int_equal(opened, 10);
	}
	close_one();
	close_one();
	come(1);
	run();
	assert_int_equal(opened, 9);
	assert_true(net.accepting);
	stop();
}

/* What a connection inherits of the listener does nothing. */
static void test_inherited(void **state)
{
	struct sock child = { .sk_state = 1 };

	start(10);
	child.sk_user_data = net.listeners[0].sock->sk->sk_user_data;
	net.listeners[0].sock->sk->sk_data_ready(&child);
	assert_int_equal(run(), -1);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accept_error),
		cmocka_unit_test(test_max_conns),
		cmocka_unit_test(test_inherited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
