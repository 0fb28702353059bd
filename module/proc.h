/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KFC_PROC_H
#define KFC_PROC_H

struct kfc_cache;

int kfc_proc_init(struct kfc_cache *c);
void kfc_proc_exit(struct kfc_cache *c);

#endif /* KFC_PROC_H */
