/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the figures have in common: objects, and how a program tells its figures
 * to tests/bench/run. It prints tables as CSV, a line "# ..." above each, and a
 * line "ok ..." or "not ok ..." for each bar.
 */
#ifndef KFC_FIGURE_H
#define KFC_FIGURE_H

#include "env.h"

#define MIB (1ULL << 20)
/* Length of a key: "object-" and 13 digits. */
#define FIG_KLEN 20
/* So many sets, and the writer has a turn. */
#define FIG_TURN 50

u64 fig_mix(u64 x);
void fig_key(char *key, u64 n);
bool fig_set(struct env *e, struct env_client *ec, u64 n, u32 gen, u32 len);
bool fig_get(struct env *e, struct env_client *ec, u64 n, u32 gen, u32 len,
	     bool *right);
void fig_delete(struct env *e, struct env_client *ec, u64 n);
void fig_writer(struct env *e);
double fig_seconds(void);

void fig_bar(bool good, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
int fig_end(void);

#endif /* KFC_FIGURE_H */
