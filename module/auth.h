/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_AUTH_H
#define KFC_AUTH_H

#include <linux/types.h>

struct kfc_cache;
struct kfc_users;
struct mp_login;

/* Users there may be, and the longest line that says who one is: memcached's. */
#define KFC_USERS	8
#define KFC_USER_LINE	255

struct kfc_users *kfc_users_parse(const u8 *text, size_t len, u32 *line);
void kfc_users_free(struct kfc_users *u);
void kfc_users_replace(struct kfc_cache *c, struct kfc_users *u);

bool kfc_auth_required(const struct kfc_cache *c);
bool kfc_auth_check(struct kfc_cache *c, const struct mp_login *in);

#endif /* KFC_AUTH_H */
