/* SPDX-License-Identifier: Apache-2.0 */
/* The confined child that builds unwind tables, and children that do something else. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "signal/unwind_builder.h"
#include "unwind_built_fixture.h"

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits for the answer, as far as the clock is real. */
static struct build_answer wait_for(struct unwind_builder *builder)
{
	struct build_answer answer;
	int64_t end = now_ms() + 60000;

	while (!builder_take(builder, 0, &answer)) {
		assert_true(now_ms() < end);
		usleep(1000);
	}
	return answer;
}

static int open_self(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static struct build_answer build_self(confined_fn run, uint32_t number,
				      struct unwind_builder *builder)
{
	_cleanup_close_ int self = open_self();

	assert_int_equal(builder_open(builder, run), 0);
	assert_int_equal(builder_start(builder, number, self, -1, 0), 0);
	assert_true(builder_is_busy(builder));
	return wait_for(builder);
}

static void a_child_builds_what_we_would_build_ourselves(void **state)
{
	_cleanup_close_ int self = open_self();
	struct unwind_builder builder;
	struct unwind_built own;
	struct build_answer answer = build_self(NULL, 5, &builder);
	struct image image;
	struct elf elf;

	(void)state;
	assert_int_equal(answer.error, 0);
	assert_int_equal(answer.number, 5);
	assert_int_equal(image_of_file(self, &image), 0);
	assert_int_equal(elf_open(&image, &elf), 0);
	assert_int_equal(unwind_build(&elf, NULL, &own), 0);
	elf_close(&elf);
	assert_int_equal(answer.built.base, own.base);
	assert_int_equal(answer.built.rows, own.rows);
	assert_int_equal(answer.built.nwords, own.nwords);
	assert_memory_equal(answer.built.words, own.words, own.nwords * sizeof(*own.words));
	assert_int_equal(answer.built.nrules, own.nrules);
	assert_memory_equal(answer.built.rules, own.rules, own.nrules * sizeof(*own.rules));
	unwind_built_free(&own);
	build_answer_release(&answer);
	/* And it is there for the next. */
	assert_int_equal(builder_start(&builder, 6, self, -1, 0), 0);
	answer = wait_for(&builder);
	assert_int_equal(answer.error, 0);
	assert_int_equal(builder.children, 1);
	build_answer_release(&answer);
	builder_close(&builder);
}

static void a_file_that_is_no_elf_is_answered_with_an_error_by_a_child_that_lives_on(void **state)
{
	_cleanup_close_ int self = open_self();
	_cleanup_fclose_ FILE *junk = tmpfile();
	struct unwind_builder builder;
	struct build_answer answer;

	(void)state;
	fputs("not an ELF file, whoever says so", junk);
	fflush(junk);
	assert_int_equal(builder_open(&builder, NULL), 0);
	assert_int_equal(builder_start(&builder, 7, fileno(junk), -1, 0), 0);
	answer = wait_for(&builder);
	assert_true(answer.error < 0);
	assert_null(answer.memory);
	assert_int_equal(builder_start(&builder, 8, self, -1, 0), 0);
	answer = wait_for(&builder);
	assert_int_equal(answer.error, 0);
	assert_int_equal(builder.children, 1);
	build_answer_release(&answer);
	builder_close(&builder);
}

/* What a child that was taken over might do; each gets one request. */
struct request {
	uint32_t number;
};
struct reply {
	uint32_t number;
	int32_t error;
	uint64_t nanoseconds;
};

static int get_request(int socket, uint32_t *number)
{
	struct request request;
	int fds[3] = { -1, -1, -1 };
	size_t nfds = 3;

	if (confined_receive(socket, &request, sizeof(request), fds, &nfds) != sizeof(request))
		_exit(1);
	*number = request.number;
	return fds[0];
}

static void answer_ok(int socket, uint32_t number)
{
	const struct reply reply = { .number = number };

	confined_send(socket, &reply, sizeof(reply), NULL, 0);
	/* Until we are told to stop. */
	get_request(socket, &number);
}

static void answers_nothing_but_zeros(int socket, void *context)
{
	uint32_t number;

	(void)context;
	get_request(socket, &number);
	answer_ok(socket, number);
}

static void answers_rows_with_rules_that_are_not_there(int socket, void *context)
{
	uint32_t number;
	int out = get_request(socket, &number);
	struct unwind_built built = *build_small(8);

	(void)context;
	built.words[4] = 1000 << UNWIND_PAGE_SHIFT;
	build_file_write(out, &built);
	answer_ok(socket, number);
}

static void answers_for_another_table(int socket, void *context)
{
	uint32_t number;
	int out = get_request(socket, &number);

	(void)context;
	build_file_write(out, build_small(8));
	answer_ok(socket, number + 1);
}

static void answers_with_an_index_beyond_the_rows(int socket, void *context)
{
	uint32_t number;
	int out = get_request(socket, &number);
	struct unwind_built built = *build_small(8);

	(void)context;
	built.words[2] = 1 << 30;
	build_file_write(out, &built);
	answer_ok(socket, number);
}

static void answers_while_it_can_still_write(int socket, void *context)
{
	uint32_t number;
	int out = get_request(socket, &number);
	void *kept = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, out, 0);

	(void)context;
	build_file_write(out, build_small(8));
	if (kept != MAP_FAILED)
		answer_ok(socket, number);
}

static void answers_half_a_message(int socket, void *context)
{
	uint32_t number;

	(void)context;
	get_request(socket, &number);
	confined_send(socket, &number, sizeof(number), NULL, 0);
	get_request(socket, &number);
}

static void dies(int socket, void *context)
{
	uint32_t number;

	(void)context;
	get_request(socket, &number);
	abort();
}

static void hangs(int socket, void *context)
{
	uint32_t number;

	(void)context;
	get_request(socket, &number);
	get_request(socket, &number);
}

static void a_child_that_lies_is_not_believed_and_not_asked_again(void **state)
{
	static const struct {
		confined_fn run;
		int error;
	} liars[] = {
		{ answers_nothing_but_zeros, -EBADMSG },
		{ answers_rows_with_rules_that_are_not_there, -EBADMSG },
		{ answers_with_an_index_beyond_the_rows, -EBADMSG },
		{ answers_while_it_can_still_write, -EBADMSG },
		{ answers_for_another_table, -EPROTO },
		{ answers_half_a_message, -EPROTO },
		{ dies, -ECONNRESET },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(liars); i++) {
		_cleanup_close_ int self = open_self();
		struct unwind_builder builder;
		struct build_answer answer = build_self(liars[i].run, 9, &builder);

		assert_int_equal(answer.error, liars[i].error);
		assert_int_equal(answer.number, 9);
		assert_null(answer.memory);
		assert_int_equal(builder_fd(&builder), -1);
		/* The next one is built by another. */
		builder.run = builder_child;
		assert_int_equal(builder_start(&builder, 10, self, -1, 0), 0);
		answer = wait_for(&builder);
		assert_int_equal(answer.error, 0);
		build_answer_release(&answer);
		builder_close(&builder);
	}
}

static void a_child_that_takes_too_long_is_ended(void **state)
{
	_cleanup_close_ int self = open_self();
	struct unwind_builder builder;
	struct build_answer answer;

	(void)state;
	assert_int_equal(builder_open(&builder, hangs), 0);
	assert_int_equal(builder_start(&builder, 11, self, -1, 0), 0);
	assert_false(builder_take(&builder, BUILD_MS_MAX - 1, &answer));
	assert_true(builder_take(&builder, BUILD_MS_MAX, &answer));
	assert_int_equal(answer.error, -ETIME);
	assert_int_equal(builder_fd(&builder), -1);
	builder_close(&builder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_child_builds_what_we_would_build_ourselves),
		cmocka_unit_test(
			a_file_that_is_no_elf_is_answered_with_an_error_by_a_child_that_lives_on),
		cmocka_unit_test(a_child_that_lies_is_not_believed_and_not_asked_again),
		cmocka_unit_test(a_child_that_takes_too_long_is_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
