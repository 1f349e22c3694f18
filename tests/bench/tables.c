/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What unwind tables cost, a line a file:
 *
 *     tables FILE... -> "PATH MILLISECONDS BYTES ROWS UNSUPPORTED RULES FUNCTIONS REFUSED CODE\n"
 *
 * MILLISECONDS is the best of ROUNDS builds by CPU time, opening included, the file in the page
 * cache; BYTES what the kernel would hold, without the rules, which all tables share; CODE the
 * bytes of code that the table spans.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "symbol/unwind_table.h"

#define ROUNDS 5

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int build(int fd, struct unwind_built *built, double *ms)
{
	double start = now();
	struct image image;
	struct elf elf;
	int err = image_of_file(fd, &image);

	if (!err)
		err = elf_open(&image, &elf);
	if (err)
		return err;
	err = unwind_build(&elf, NULL, built);
	*ms = now() - start;
	elf_close(&elf);
	return err;
}

static int measure(const char *path)
{
	struct unwind_built built = { 0 };
	double best = 0, ms;
	int fd = open_regular(path, NULL);

	if (fd < 0)
		return fd;
	for (int i = 0; i < ROUNDS; i++) {
		int err;

		unwind_built_free(&built);
		err = build(fd, &built, &ms);
		if (err) {
			close(fd);
			return err;
		}
		if (!i || ms < best)
			best = ms;
	}
	close(fd);
	printf("%s %.2f %zu %u %u %u %u %u %u\n", path, best, built.nwords * sizeof(uint32_t),
	       built.rows, built.rows_unsupported, built.nrules, built.functions,
	       built.functions_refused, built.pages << UNWIND_PAGE_SHIFT);
	unwind_built_free(&built);
	return 0;
}

int main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++) {
		int err = measure(argv[i]);

		if (err) {
			fprintf(stderr, "tables: %s: %s\n", argv[i], strerror(-err));
			failed = 1;
		}
	}
	return failed;
}
