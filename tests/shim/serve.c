// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * serve PORT [USERS] - the module's commands and store as a server in user
 * space, on loopback, in memory: for comparing answers at native speed. One
 * thread. USERS is a file as for auth_file=.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "auth.h"
#include "env.h"

#define CONNS 64
#define BUF (4 << 20)

static struct env env;

struct conn {
	struct env_client ec;
	int fd;
	u8 *buf;
	size_t len;
	u64 swallow;
	bool closing;
};

static struct conn conns[CONNS];

static void add(int fd)
{
	int i, one = 1;

	for (i = 0; i < CONNS && conns[i].fd; i++)
		;
	if (i == CONNS) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	env_client_init(&env, &conns[i].ec);
	conns[i].fd = fd;
	conns[i].buf = malloc(BUF);
	conns[i].len = 0;
	conns[i].swallow = 0;
	conns[i].closing = false;
}

static void drop(struct conn *c)
{
	env_client_exit(&env, &c->ec);
	close(c->fd);
	free(c->buf);
	c->fd = 0;
}

static bool flush(struct conn *c)
{
	size_t at = 0;

	env_events(&c->ec);
	while (at < c->ec.len) {
		ssize_t n = write(c->fd, c->ec.answer + at, c->ec.len - at);

		if (n <= 0)
			return false;
		at += n;
	}
	c->ec.len = 0;
	return true;
}

/* Whole requests are fed, the rest stays. */
static bool work(struct conn *c)
{
	size_t at = 0;

	while (at < c->len && !c->closing) {
		size_t left = c->len - at, part = min((u64)left, c->swallow);
		int used;

		at += part;
		c->swallow -= part;
		if (part)
			continue;
		used = env_step(&env, &c->ec, (char *)c->buf + at, left,
				&c->swallow, &c->closing);
		if (!used)
			break;
		at += used;
	}
	memmove(c->buf, c->buf + at, c->len - at);
	c->len -= at;
	return flush(c) && !c->closing;
}

static bool receive(struct conn *c)
{
	ssize_t n = read(c->fd, c->buf + c->len, BUF - c->len);

	if (n <= 0)
		return false;
	c->len += n;
	return work(c);
}

static void load_users(const char *path)
{
	FILE *f = fopen(path, "r");
	struct kfc_users *u;
	char text[4096];
	u32 line;

	assert(f);
	u = kfc_users_parse((u8 *)text, fread(text, 1, sizeof(text), f), &line);
	assert(!IS_ERR(u));
	kfc_users_replace(&env.c, u);
	fclose(f);
}

int main(int argc, char **argv)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	int ls = socket(AF_INET, SOCK_STREAM, 0), one = 1, i;

	assert(argc == 2 || argc == 3);
	sa.sin_port = htons(atoi(argv[1]));
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert(!bind(ls, (struct sockaddr *)&sa, sizeof(sa)));
	assert(!listen(ls, CONNS));
	env_start(&env, 4 << 20, 32, 0, 4 << 20);
	env.c.cfg.item_max = 1 << 20;
	if (argc == 3)
		load_users(argv[2]);
	for (;;) {
		struct pollfd p[CONNS + 1];
		struct conn *who[CONNS + 1];
		int n = 0;

		p[n++] = (struct pollfd){ .fd = ls, .events = POLLIN };
		for (i = 0; i < CONNS; i++)
			if (conns[i].fd) {
				who[n] = &conns[i];
				p[n++] = (struct pollfd){ .fd = conns[i].fd,
							  .events = POLLIN };
			}
		if (poll(p, n, -1) < 0)
			return 1;
		env_now = time(NULL);
		for (i = 1; i < n; i++)
			if (p[i].revents && !receive(who[i]))
				drop(who[i]);
		if (p[0].revents)
			add(accept(ls, NULL, NULL));
		while (kfc_log_step(&env.c))
			;
	}
}
