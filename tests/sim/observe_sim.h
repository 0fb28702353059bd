/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What module/observe.h is under the simulator. */
#ifndef KFC_OBSERVE_SIM_H
#define KFC_OBSERVE_SIM_H

#include "sched.h"

#define kfc_rare(name) SIM_COIN(SIM_RARE, name)

void kfc_saw_put(const struct kfc_lookup *lk, const struct kfc_rsv *r, u64 old,
		 u64 value, u64 order);
void kfc_saw_move(const struct kfc_lookup *lk, u64 old, u64 value, u64 now);
void kfc_saw_clear(const struct kfc_ipos *pos, u64 old);
void kfc_saw_enter(const struct kfc_ipos *pos, u64 value);
void kfc_saw_range(u32 from, u32 to);

#endif /* KFC_OBSERVE_SIM_H */
