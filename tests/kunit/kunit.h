/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_KUNIT_H
#define KFC_KUNIT_H

#include <kunit/test.h>
#include <linux/net.h>

#include "kfc.h"

/* What tests/e2e/kasan-kunit.sh makes: see there. */
#define KFC_TEST_DEVICE		"/dev/nullb0"
#define KFC_TEST_BAD_PAGE	3000

/* fixture.c */
struct kfc_cache *kfc_test_start(struct kunit *test, const char *device);
void kfc_test_stop(struct kfc_cache *c);
struct socket *kfc_test_connect(struct kunit *test, struct kfc_cache *c);
void kfc_test_send(struct kunit *test, struct socket *sock, const char *text);
int kfc_test_recv(struct socket *sock, char *buf, int size);
void kfc_test_expect(struct kunit *test, struct socket *sock,
		     const char *answer);
bool kfc_test_until_zero(atomic_t *n);

#endif /* KFC_KUNIT_H */
