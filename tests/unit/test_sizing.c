// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * README's sizing table, from the module's own numbers: records are placed in a
 * slab by the function that places them, and the index takes what it takes.
 *
 *     test_sizing print    prints the table, as it is to stand in README
 */
#include <setjmp.h>
#include <stdarg.h>

#include "kfc.h"

#include <cmocka.h>

#define KEY_LEN	20
#define THREADS	8
#define SLAB_MB	4
#define SLAB	(SLAB_MB << 20)
#define GB	1000000000ULL
#define MIB	(1ULL << 20)

static const u32 sizes[] = { 100, 300, 1000, 3000, 10000, 100000 };
static const u32 devices[] = { 100, 250, 500, 1000, 2000, 4000 };

/* Records of a size that one slab takes beside their summary. */
static u32 slab_holds(u32 size)
{
	u32 start, end, n = 0, at = 0;

	for (;;) {
		u32 sums = n / KFC_SUM_ENTRIES + 1;

		end = kfc_rec_place(at, kfc_rec_head(KEY_LEN, 0),
				    size - KEY_LEN, &start);
		if (end > SLAB - sums * KFC_PAGE)
			return n;
		at = end;
		n++;
	}
}

static u64 mib(u64 bytes)
{
	return (bytes + MIB - 1) / MIB;
}

/* The table's lines, one after the other. */
static void table(char *to)
{
	u32 d, i;

	to += sprintf(to, "| device |");
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		to += sprintf(to, " %u B |", sizes[i]);
	to += sprintf(to, " memory_mb | slab table |\n| --- |");
	for (i = 0; i < ARRAY_SIZE(sizes) + 2; i++)
		to += sprintf(to, " --- |");
	to += sprintf(to, "\n");
	for (d = 0; d < ARRAY_SIZE(devices); d++) {
		u64 slabs = devices[d] * GB / SLAB;

		to += sprintf(to, "| %u GB |", devices[d]);
		for (i = 0; i < ARRAY_SIZE(sizes); i++)
			to += sprintf(to, " %llu |",
				      mib(slabs * slab_holds(sizes[i]) *
					  KFC_INDEX_ENTRY));
		to += sprintf(to, " %u | %llu MiB |\n", 8 * SLAB_MB * THREADS,
			      mib(slabs * sizeof(struct kfc_slab)));
	}
}

static char want[4096], readme[1 << 20];

static void test_readme(void **state)
{
	FILE *f = fopen(README, "r");

	assert_non_null(f);
	assert_in_range(fread(readme, 1, sizeof(readme) - 1, f), 1000,
			sizeof(readme) - 2);
	fclose(f);
	table(want);
	if (!strstr(readme, want)) {
		print_message("README's table is to be\n%s", want);
		fail();
	}
}

/* What the text beside it says of an object's place. */
static void test_text(void **state)
{
	u32 i;

	assert_int_equal(KFC_INDEX_ENTRY, 11);
	assert_int_equal(KFC_REC_HDR, 28);
	assert_int_equal(KFC_REC_ALIGN, 8);
	assert_int_equal(KFC_PAGE_HDR, 8);
	assert_int_equal(sizeof(struct kfc_sum_entry), 24);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		u32 rec = round_up(sizes[i] + KFC_REC_HDR, KFC_REC_ALIGN);
		u32 most = SLAB / KFC_PAGE * KFC_PAGE_DATA / (rec + 24);

		/* The rest is what is left over at the end of pages. */
		assert_in_range(slab_holds(sizes[i]), most * 75 / 100, most);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_readme),
		cmocka_unit_test(test_text),
	};

	if (argc > 1) {
		table(want);
		fputs(want, stdout);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
