/* SPDX-License-Identifier: Apache-2.0 */
/* The helpers that everything stands on: text, files, index, arena. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/index.h"
#include "base/text.h"

typedef void (*escape_fn)(struct buffer *, const char *);

static void expect_escaped(escape_fn escape, const char *in, const char *out)
{
	struct buffer b = { 0 };

	escape(&b, in);
	assert_string_equal(b.data ? b.data : "", out);
	buffer_free(&b);
}

static void terminal_text_has_no_control_characters(void **state)
{
	(void)state;
	expect_escaped(escape_terminal, "plain", "plain");
	expect_escaped(escape_terminal, "Grüße 世界", "Grüße 世界");
	expect_escaped(escape_terminal, "\033[31mred\007", "\\x1b[31mred\\x07");
	expect_escaped(escape_terminal, "a\nb\tc\rd\x7f", "a\\nb\\tc\\x0dd\\x7f");
	expect_escaped(escape_terminal,
		       "\xc2\x9b"
		       "31m",
		       "\\u009b31m"); /* C1 control CSI */
	expect_escaped(escape_terminal,
		       "\xe2\x80\xae"
		       "cod",
		       "\\u202ecod"); /* right-to-left override */
	expect_escaped(escape_terminal, "\xff\xc0\x80", "\\xff\\xc0\\x80"); /* overlong NUL */
	expect_escaped(escape_terminal, "\xed\xa0\x80", "\\xed\\xa0\\x80"); /* a surrogate */
	expect_escaped(escape_terminal, "\xe4\xb8", "\\xe4\\xb8");	    /* cut short */
	expect_escaped(escape_terminal, "\xf3\xa0\x81\x81", "\\U000e0041"); /* a tag character */
}

static void xml_text_cannot_become_markup(void **state)
{
	(void)state;
	expect_escaped(escape_xml, "<script>alert('\"&')</script>",
		       "&lt;script&gt;alert(&#39;&quot;&amp;&#39;)&lt;/script&gt;");
	expect_escaped(escape_xml, "a\001b\xff",
		       "a\xef\xbf\xbd"
		       "b\xef\xbf\xbd");
	expect_escaped(escape_xml, "\xef\xbf\xbf", "\xef\xbf\xbd"); /* U+FFFF is not XML */
}

static void json_text_may_stand_in_a_script(void **state)
{
	(void)state;
	expect_escaped(escape_json, "a\"b\\c", "\"a\\\"b\\\\c\"");
	expect_escaped(escape_json, "</script>\n", "\"\\u003c/script\\u003e\\u000a\"");
	expect_escaped(escape_json, "\xe2\x80\xa8", "\"\\u2028\"");
	expect_escaped(escape_json, "\x80", "\"\xef\xbf\xbd\"");
}

static void text_is_cut_and_padded_to_columns(void **state)
{
	static const struct {
		const char *in;
		size_t columns;
		bool right;
		const char *out;
	} cases[] = {
		{ "abc", 5, false, "abc  " },	{ "abc", 5, true, "  abc" },
		{ "abcdef", 4, false, "abc…" }, { "abc", 3, false, "abc" },
		{ "abc", 1, false, "…" },	{ "abc", 0, false, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buffer b = { 0 };

		text_fit(&b, cases[i].in, cases[i].columns, cases[i].right);
		assert_string_equal(b.data ? b.data : "", cases[i].out);
		buffer_free(&b);
	}
}

static void numbers_read_like_a_person_writes_them(void **state)
{
	char buf[TEXT_SHORT];

	(void)state;
	assert_string_equal(text_bytes(0, buf), "0 B");
	assert_string_equal(text_bytes(1023, buf), "1023 B");
	assert_string_equal(text_bytes(1536, buf), "1.5 KiB");
	assert_string_equal(text_bytes(UINT64_MAX, buf), "16.0 EiB");
	assert_string_equal(text_duration(999, buf), "999 ns");
	assert_string_equal(text_duration(93000000, buf), "93 ms");
	assert_string_equal(text_duration(1500000000, buf), "1.50 s");
	assert_string_equal(text_duration(90000000000, buf), "1 m 30 s");
	assert_string_equal(text_duration(7200000000000, buf), "2 h 00 m");
	assert_string_equal(text_count(7, buf), "7");
	assert_string_equal(text_count(1234567, buf), "1,234,567");
	assert_string_equal(text_count(123456, buf), "123,456");
}

static void numbers_are_parsed_strictly(void **state)
{
	uint64_t u;
	double d;

	(void)state;
	assert_int_equal(parse_u64("18446744073709551615", &u), 0);
	assert_true(u == UINT64_MAX);
	assert_int_equal(parse_u64("18446744073709551616", &u), -ERANGE);
	assert_int_equal(parse_u64("", &u), -EINVAL);
	assert_int_equal(parse_u64("-1", &u), -EINVAL);
	assert_int_equal(parse_u64("1 ", &u), -EINVAL);
	assert_int_equal(parse_number("0.5", &d), 0);
	assert_true(d == 0.5);
	assert_int_equal(parse_number("nan", &d), -EINVAL);
	assert_int_equal(parse_number("0x10", &d), -EINVAL);
	assert_int_equal(parse_number("1.2.3", &d), -EINVAL);
	assert_int_equal(parse_number(".", &d), -EINVAL);
}

static void typos_are_near_and_other_words_are_far(void **state)
{
	(void)state;
	assert_int_equal(text_distance("web", "web"), 0);
	assert_int_equal(text_distance("wbe", "web"), 1);
	assert_int_equal(text_distance("wb", "web"), 1);
	assert_int_equal(text_distance("WEB", "web"), 0);
	assert_int_equal(text_distance("", "web"), 3);
	assert_int_equal(text_distance("database", "web"), 7);
}

static bool equal_number(const void *key, uint32_t position, const void *context)
{
	return *(const uint64_t *)key == ((const uint64_t *)context)[position];
}

static void an_index_finds_what_was_inserted_and_nothing_else(void **state)
{
	enum { N = 10000 };
	uint64_t *numbers = xcalloc(N, sizeof(*numbers));
	struct index index = { 0 };

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		numbers[i] = (uint64_t)i * i;
		/* Three in four collide: equality decides, not the hash. */
		index_insert(&index, i % (N / 4), i);
	}
	for (uint32_t i = 0; i < N; i++) {

		assert_int_equal(
			index_find(&index, i % (N / 4), &numbers[i], equal_number, numbers), i);
		assert_int_equal(index_find(&index, i % (N / 4), &(uint64_t){ UINT64_MAX },
					    equal_number, numbers),
				 INDEX_NONE);
	}
	index_clear(&index);
	assert_int_equal(index_find(&index, 0, &numbers[0], equal_number, numbers), INDEX_NONE);
	index_free(&index);
	free(numbers);
}

static void arena_memory_is_zeroed_aligned_and_apart(void **state)
{
	struct arena arena = { 0 };
	char *pieces[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		size_t size = i * 97 + 1;

		pieces[i] = arena_alloc(&arena, size);
		assert_int_equal((uintptr_t)pieces[i] % 8, 0);
		for (size_t j = 0; j < size; j++)
			assert_int_equal(pieces[i][j], 0);
		memset(pieces[i], (int)(i % 251), size);
	}
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++)
		assert_int_equal((unsigned char)pieces[i][i * 97], i % 251);
	arena_free(&arena);
}

/* --- files --- */

static char *scratch_dir(void)
{
	char *dir = xstrdup("/tmp/plimsoll-test-XXXXXX");

	assert_non_null(mkdtemp(dir));
	return dir;
}

static void remove_dir(char *dir)
{
	_cleanup_free_ char *command = xasprintf("rm -rf '%s'", dir);

	assert_int_equal(system(command), 0);
	free(dir);
}

static void put(const char *dir, const char *name, const char *text)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	_cleanup_fclose_ FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
}

static char *get(const char *dir, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	char *text = NULL;

	return read_file(path, 1 << 20, &text, NULL) < 0 ? NULL : text;
}

static void links_do_not_lead_out_of_a_root(void **state)
{
	char *dir = scratch_dir();
	_cleanup_free_ char *root_path = xasprintf("%s/root", dir);
	_cleanup_free_ char *up = xasprintf("%s/up", root_path);
	_cleanup_free_ char *absolute = xasprintf("%s/absolute", root_path);
	_cleanup_free_ char *inside = xasprintf("%s/inside", root_path);
	_cleanup_free_ char *magic = xasprintf("%s/magic", root_path);

	(void)state;
	put(dir, "secret", "secret");
	assert_int_equal(mkdir(root_path, 0755), 0);
	put(root_path, "plain", "plain");
	assert_int_equal(symlink("../../../secret", up), 0);
	assert_int_equal(symlink("/plain", inside), 0);
	assert_int_equal(symlink("/etc/passwd", absolute), 0);
	assert_int_equal(symlink("/proc/self/exe", magic), 0);

	int root = open_root(root_path);
	assert_true(root >= 0);
	int fd = open_in_root(root, "inside", NULL);
	assert_true(fd >= 0); /* "/plain" of the root, not of the host */
	close(fd);
	assert_int_equal(open_in_root(root, "up", NULL), -ENOENT);
	assert_int_equal(open_in_root(root, "absolute", NULL), -ENOENT);
	assert_int_equal(open_in_root(root, "magic", NULL), -ENOENT);
	assert_int_equal(open_in_root(root, "../secret", NULL), -ENOENT);
	close(root);
	remove_dir(dir);
}

static void only_regular_files_are_opened(void **state)
{
	char *dir = scratch_dir();
	_cleanup_free_ char *fifo = xasprintf("%s/fifo", dir);
	int root = open_root(dir);

	(void)state;
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(open_in_root(root, "fifo", NULL),
			 -EINVAL); /* at once: a FIFO would block */
	assert_int_equal(open_regular(fifo, NULL), -EINVAL);
	assert_int_equal(open_regular("/dev/zero", NULL), -EINVAL);
	assert_int_equal(open_in_root(root, ".", NULL), -EINVAL);
	close(root);
	remove_dir(dir);
}

static void reading_stops_at_the_limit(void **state)
{
	char *dir = scratch_dir(), *text;
	_cleanup_free_ char *path = xasprintf("%s/file", dir);
	size_t size;

	(void)state;
	put(dir, "file", "0123456789");
	assert_int_equal(read_file(path, 10, &text, &size), 0);
	assert_int_equal(size, 10);
	assert_string_equal(text, "0123456789");
	free(text);
	assert_int_equal(read_file(path, 9, &text, &size), -EFBIG);
	assert_int_equal(read_file("/dev/zero", 100, &text, &size),
			 -EFBIG); /* no size to ask for */
	assert_int_equal(read_file("/proc/self/status", 1 << 20, &text, &size), 0);
	assert_true(size > 100);
	free(text);
	remove_dir(dir);
}

static void an_old_file_stays_until_the_new_one_is_whole(void **state)
{
	char *dir = scratch_dir();
	_cleanup_free_ char *path = xasprintf("%s/out", dir);
	struct output_file *out;
	char *text;

	(void)state;
	put(dir, "out", "old");
	assert_int_equal(output_open(path, &out), 0);
	assert_int_equal(output_write(out, "half", 4), 0);
	text = get(dir, "out");
	assert_string_equal(text, "old");
	free(text);
	output_abort(out);
	text = get(dir, "out");
	assert_string_equal(text, "old");
	free(text);

	assert_int_equal(output_open(path, &out), 0);
	assert_int_equal(output_write(out, "new", 3), 0);
	assert_int_equal(output_commit(out), 0);
	text = get(dir, "out");
	assert_string_equal(text, "new");
	free(text);

	/* No temporaries are left behind. */
	_cleanup_closedir_ DIR *d = opendir(dir);
	size_t entries = 0;

	while (readdir(d))
		entries++;
	assert_int_equal(entries, 3); /* ".", "..", "out" */
	remove_dir(dir);
}

static void an_output_that_cannot_be_written_is_refused_at_once(void **state)
{
	char *dir = scratch_dir();
	_cleanup_free_ char *missing = xasprintf("%s/no/such/dir", dir);
	struct output_file *out = NULL;

	(void)state;
	assert_int_equal(output_open(missing, &out), -ENOENT);
	assert_int_equal(output_open(dir, &out), -EISDIR);
	remove_dir(dir);
}

static void a_full_device_is_noticed(void **state)
{
	struct output_file *out;

	(void)state;
	assert_int_equal(output_open("/dev/full", &out), 0);
	assert_int_equal(output_write(out, "x", 1), -ENOSPC);
	output_abort(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terminal_text_has_no_control_characters),
		cmocka_unit_test(xml_text_cannot_become_markup),
		cmocka_unit_test(json_text_may_stand_in_a_script),
		cmocka_unit_test(text_is_cut_and_padded_to_columns),
		cmocka_unit_test(numbers_read_like_a_person_writes_them),
		cmocka_unit_test(numbers_are_parsed_strictly),
		cmocka_unit_test(typos_are_near_and_other_words_are_far),
		cmocka_unit_test(an_index_finds_what_was_inserted_and_nothing_else),
		cmocka_unit_test(arena_memory_is_zeroed_aligned_and_apart),
		cmocka_unit_test(links_do_not_lead_out_of_a_root),
		cmocka_unit_test(only_regular_files_are_opened),
		cmocka_unit_test(reading_stops_at_the_limit),
		cmocka_unit_test(an_old_file_stays_until_the_new_one_is_whole),
		cmocka_unit_test(an_output_that_cannot_be_written_is_refused_at_once),
		cmocka_unit_test(a_full_device_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
