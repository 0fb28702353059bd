/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_AUTHFILE_H
#define KFC_AUTHFILE_H

struct kfc_cache;

int kfc_authfile_start(struct kfc_cache *c);
void kfc_authfile_stop(struct kfc_cache *c);

#endif /* KFC_AUTHFILE_H */
