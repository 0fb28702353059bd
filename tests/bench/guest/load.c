// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * load set PORT FIRST COUNT LEN
 * load get PORT FIRST COUNT LEN CONNS DEPTH MS SKIP
 *
 * A client for a guest that is slow: one thread, fixed windows, little work for
 * a request. "set" stores the keys and waits until all are. "get" asks for keys,
 * DEPTH outstanding on each of CONNS connections, and prints how many were
 * answered in how many us, and how many of them were misses. What is not the
 * value of its key ends it. The keys come as at random, but each comes once
 * before any comes again, and always in the same order: SKIP leaves out as many.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define KLEN 12
#define MOST_CONNS 64
#define MOST_DEPTH 1024
#define IN_SIZE (1 << 18)
#define BATCH (1 << 16)
#define STRIDE 1000003ULL	/* a prime beyond COUNT */

struct conn {
	int fd;
	unsigned int asked, answered;
	unsigned int key[MOST_DEPTH];	/* of what is outstanding, a ring */
	size_t have;
	char in[IN_SIZE];
};

static struct conn conns[MOST_CONNS];
static unsigned int first, count, len, depth;
static unsigned long long done, missed, next_key;

static void fail(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned long long now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ULL + t.tv_nsec / 1000;
}

static void put_key(char *p, unsigned int n)
{
	int i;

	memcpy(p, "key-", 4);
	for (i = KLEN; i-- > 4; n /= 10)
		p[i] = '0' + n % 10;
}

static int dial(int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		fail("connect");
	return fd;
}

static void send_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t sent = write(fd, p, n);

		if (sent <= 0)
			fail("write");
		p += sent;
		n -= sent;
	}
}

static void receive(struct conn *c)
{
	ssize_t n = read(c->fd, c->in + c->have, IN_SIZE - c->have);

	if (n <= 0)
		fail("read");
	c->have += n;
}

static void sets(int port)
{
	static char buf[BATCH + 4096];
	struct conn *c = &conns[0];
	unsigned int i;
	size_t n = 0;

	c->fd = dial(port);
	for (i = 0; i < count; i++) {
		n += sprintf(buf + n, "set key-%08u 0 0 %u noreply\r\n",
			     first + i, len);
		memset(buf + n, 'v', len);
		put_key(buf + n, first + i);
		memcpy(buf + n + len, "\r\n", 2);
		n += len + 2;
		if (n >= BATCH || i + 1 == count) {
			send_all(c->fd, buf, n);
			n = 0;
		}
	}
	send_all(c->fd, "mn\r\n", 4);
	while (c->have < 4)
		receive(c);
	if (c->have != 4 || memcmp(c->in, "MN\r\n", 4))
		fail("a set was refused");
}

/* As many gets as there is room for in the window. */
static void ask(struct conn *c)
{
	static char buf[MOST_DEPTH * (KLEN + 6)];
	size_t n = 0;

	for (; c->asked - c->answered < depth; c->asked++) {
		unsigned int key = first + next_key++ * STRIDE % count;

		c->key[c->asked % MOST_DEPTH] = key;
		memcpy(buf + n, "get ", 4);
		put_key(buf + n + 4, key);
		memcpy(buf + n + 4 + KLEN, "\r\n", 2);
		n += KLEN + 6;
	}
	send_all(c->fd, buf, n);
}

/* Whole answers that were received. */
static void take(struct conn *c)
{
	static char head[64];
	static size_t head_len;
	size_t at = 0;

	if (!head_len)
		head_len = sprintf(head, "VALUE key-00000000 0 %u\r\n", len);
	while (c->have - at >= 5) {
		const char *p = c->in + at;

		if (*p == 'E') {
			missed++;
			at += 5;
		} else {
			if (c->have - at < head_len + len + 7)
				break;
			put_key(head + 6, c->key[c->answered % MOST_DEPTH]);
			if (memcmp(p, head, head_len) ||
			    memcmp(p + head_len, head + 6, KLEN) ||
			    memcmp(p + head_len + len, "\r\nEND\r\n", 7))
				fail("a wrong answer");
			at += head_len + len + 7;
		}
		c->answered++;
		done++;
	}
	memmove(c->in, c->in + at, c->have - at);
	c->have -= at;
}

static void gets_for(int port, unsigned int nr, unsigned int ms)
{
	struct pollfd fds[MOST_CONNS];
	unsigned long long from, now;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		conns[i].fd = dial(port);
		fds[i].fd = conns[i].fd;
		fds[i].events = POLLIN;
	}
	from = now_us();
	for (i = 0; i < nr; i++)
		ask(&conns[i]);
	do {
		if (poll(fds, nr, 10000) <= 0)
			fail("no answer");
		for (i = 0; i < nr; i++) {
			if (!(fds[i].revents & POLLIN))
				continue;
			receive(&conns[i]);
			take(&conns[i]);
			ask(&conns[i]);
		}
		now = now_us();
	} while (now - from < ms * 1000ULL);
	printf("%llu %llu %llu\n", done, now - from, missed);
}

int main(int argc, char **argv)
{
	if (argc != 6 && argc != 10)
		return 2;
	first = atoi(argv[3]);
	count = atoi(argv[4]);
	len = atoi(argv[5]);
	if (len < KLEN || len > 4000 || !count || count >= STRIDE)
		return 2;
	if (argc == 6) {
		sets(atoi(argv[2]));
		return 0;
	}
	depth = atoi(argv[7]);
	next_key = atoi(argv[9]);
	if (atoi(argv[6]) > MOST_CONNS || depth > MOST_DEPTH)
		return 2;
	gets_for(atoi(argv[2]), atoi(argv[6]), atoi(argv[8]));
	return 0;
}
