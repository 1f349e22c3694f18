/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pprof in and out: what we write we read again, what others write we read, and what is broken is
 * refused with one sentence.
 */
#include "profile_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "profile/gzip.h"
#include "profile/pprof.h"

/* --- writing the wire format by hand, for what no writer of ours would write --- */

static void put_varint(struct buffer *b, uint64_t value)
{
	do {
		uint8_t byte = (uint8_t)(value & 0x7f) | (value > 0x7f ? 0x80 : 0);

		buffer_add(b, &byte, 1);
		value >>= 7;
	} while (value);
}

static void put_number(struct buffer *b, unsigned field, uint64_t value)
{
	put_varint(b, field << 3);
	put_varint(b, value);
}

static void put_bytes(struct buffer *b, unsigned field, const void *data, size_t size)
{
	put_varint(b, field << 3 | 2);
	put_varint(b, size);
	buffer_add(b, data, size);
}

static void put_string(struct buffer *b, const char *s)
{
	put_bytes(b, 6, s, strlen(s));
}

/* A message of numbers: { field, value }... */
static void put_message(struct buffer *b, unsigned field, const uint64_t (*numbers)[2], size_t n)
{
	struct buffer m = { 0 };

	for (size_t i = 0; i < n; i++)
		put_number(&m, (unsigned)numbers[i][0], numbers[i][1]);
	put_bytes(b, field, m.data ? m.data : "", m.size);
	buffer_free(&m);
}

#define PUT(b, field, ...)                                          \
	put_message(b, field, (const uint64_t[][2]){ __VA_ARGS__ }, \
		    ARRAY_SIZE(((const uint64_t[][2]){ __VA_ARGS__ })))

/* Sample type "a"/"b"; function 7 "main"; mapping 5; location 9. */
static void put_basics(struct buffer *b)
{
	PUT(b, 1, { 1, 1 }, { 2, 2 });
	PUT(b, 5, { 1, 7 }, { 2, 3 });
	PUT(b, 3, { 1, 5 }, { 5, 2 });
	put_string(b, "");
	put_string(b, "a");
	put_string(b, "b");
	put_string(b, "main");
}

static void put_location(struct buffer *b, uint64_t id, uint64_t mapping, uint64_t function)
{
	struct buffer m = { 0 };

	put_number(&m, 1, id);
	put_number(&m, 2, mapping);
	PUT(&m, 4, { 1, function }, { 2, 42 }, { 3, 7 });
	put_number(&m, 5, 1); /* is_folded */
	put_bytes(b, 4, m.data, m.size);
	buffer_free(&m);
}

static void expect_refused(const void *data, size_t size, const char *sentence)
{
	struct profile *p = NULL;
	const char *why = NULL;
	int err = pprof_decode(data, size, 64 << 20, &p, &why);

	assert_true(err < 0);
	assert_null(p);
	assert_non_null(why);
	if (strcmp(why, sentence) != 0)
		fail_msg("'%s' instead of '%s'", why, sentence);
}

static struct profile *expect_read(const void *data, size_t size)
{
	struct profile *p = NULL;
	const char *why = NULL;

	if (pprof_decode(data, size, 64 << 20, &p, &why) < 0)
		fail_msg("refused: %s", why);
	return p;
}

/* --- round trip --- */

static struct profile *rich_profile(void)
{
	struct profile *p = fixture_new();
	const struct mapping m = { .start = 0x1000,
				   .limit = 0x2000,
				   .offset = 0x10,
				   .file = profile_string(p, "/bin/app"),
				   .build_id = profile_string(p, "c0ffee") };
	const struct function f = { .name = profile_string(p, "ns::f(int)"),
				    .system_name = profile_string(p, "_ZN2ns1fEi"),
				    .file = profile_string(p, "f.cc"),
				    .start_line = 11 };
	const struct function g = { .name = profile_string(p, "gr\xc3\xbc\xc3\x9f"
							      "e") };
	const struct line lines[] = { { profile_function(p, &f), 12 },
				      { profile_function(p, &g), -3 } };
	uint32_t mapping = profile_mapping(p, &m);
	const uint32_t stack[] = {
		profile_location_with_lines(p, mapping, 0x1234, lines, 2),
		profile_location(p, mapping, 0x1500),
		profile_named_location(p, 0, FRAME_TRUNCATED),
	};
	const struct label labels[] = {
		{ .key = profile_string(p, "container"), .text = profile_string(p, "web") },
		{ .key = profile_string(p, "pid"), .number = 4242 },
		{ .key = profile_string(p, "size"),
		  .number = -1,
		  .unit = profile_string(p, "bytes") },
	};

	*profile_head(p) = (struct profile_head){
		.time = 1700000000000000000,
		.duration = 5000000000,
		.period_type = profile_types(p)[1],
		.period = 10101010,
		.default_type = profile_types(p)[0].type,
	};
	profile_note(p, "host: one");
	profile_note(p, "lost: 12 samples, because the map was full");
	profile_add(p, profile_stack(p, stack, 3), profile_labels(p, labels, 3),
		    (const int64_t[]){ 3, INT64_MAX });
	profile_add(p, 0, 0, (const int64_t[]){ -1, INT64_MIN });
	return p;
}

static void check_rich(const struct profile *p)
{
	const struct profile_head *head = profile_get_head(p);
	struct sample s = profile_get_sample(p, 0), bare = profile_get_sample(p, 1);
	int64_t number;
	size_t n;
	const uint32_t *stack = profile_get_stack(p, s.stack, &n);
	const struct location *l = profile_get_location(p, stack[0]);
	const struct mapping *m = profile_get_mapping(p, l->mapping);
	const struct function *f = profile_get_function(p, l->lines[0].function);
	const struct function *g = profile_get_function(p, l->lines[1].function);

	assert_int_equal(profile_count_samples(p), 2);
	assert_int_equal(n, 3);
	assert_int_equal(s.values[0], 3);
	assert_true(s.values[1] == INT64_MAX);
	assert_int_equal(bare.values[0], -1);
	assert_true(bare.values[1] == INT64_MIN);
	assert_int_equal(bare.stack, 0);
	assert_int_equal(bare.labels, 0);

	assert_int_equal(l->address, 0x1234);
	assert_int_equal(l->nlines, 2);
	assert_int_equal(l->lines[0].line, 12);
	assert_int_equal(l->lines[1].line, -3);
	assert_string_equal(profile_str(p, f->name), "ns::f(int)");
	assert_string_equal(profile_str(p, f->system_name), "_ZN2ns1fEi");
	assert_string_equal(profile_str(p, f->file), "f.cc");
	assert_int_equal(f->start_line, 11);
	assert_string_equal(profile_str(p, g->name), "gr\xc3\xbc\xc3\x9f"
						     "e");
	assert_int_equal(m->start, 0x1000);
	assert_int_equal(m->limit, 0x2000);
	assert_int_equal(m->offset, 0x10);
	assert_string_equal(profile_str(p, m->file), "/bin/app");
	assert_string_equal(profile_str(p, m->build_id), "c0ffee");
	assert_int_equal(profile_get_location(p, stack[1])->nlines, 0);
	assert_int_equal(profile_get_location(p, stack[1])->address, 0x1500);
	assert_int_equal(profile_frame_kind(p, stack[2]), FRAME_MARK);

	assert_string_equal(profile_label_text(p, s.labels, "container"), "web");
	assert_true(profile_label_number(p, s.labels, "pid", &number));
	assert_int_equal(number, 4242);
	assert_true(profile_label_number(p, s.labels, "size", &number));
	assert_int_equal(number, -1);

	assert_int_equal(profile_values(p), 2);
	assert_int_equal(profile_default_value(p), 0);
	assert_int_equal(head->time, 1700000000000000000);
	assert_int_equal(head->duration, 5000000000);
	assert_int_equal(head->period, 10101010);
	assert_string_equal(profile_str(p, head->period_type.type), "cpu");
	assert_int_equal(profile_notes(p), 2);
	assert_string_equal(profile_get_note(p, 1), "lost: 12 samples, because the map was full");
}

static void what_is_written_is_read_again(void **state)
{
	struct profile *p = rich_profile(), *q;
	_cleanup_(buffer_free) struct buffer once = { 0 };
	_cleanup_(buffer_free) struct buffer twice = { 0 };

	(void)state;
	check_rich(p);
	assert_int_equal(pprof_encode(p, &once), 0);
	assert_true(is_gzip(once.data, once.size));
	q = expect_read(once.data, once.size);
	check_rich(q);
	assert_int_equal(pprof_encode(q, &twice), 0);
	profile_free(q);
	q = expect_read(twice.data, twice.size);
	check_rich(q);
	profile_free(q);
	profile_free(p);
}

static void encoding_appends(void **state)
{
	struct profile *p = rich_profile();
	_cleanup_(buffer_free) struct buffer b = { 0 };

	(void)state;
	buffer_puts(&b, "head");
	assert_int_equal(pprof_encode(p, &b), 0);
	assert_memory_equal(b.data, "head", 4);
	struct profile *q = expect_read(b.data + 4, b.size - 4);
	check_rich(q);
	profile_free(q);
	profile_free(p);
}

static void an_empty_profile_has_types_and_no_samples(void **state)
{
	struct profile *p = fixture_new(), *q;
	_cleanup_(buffer_free) struct buffer b = { 0 };

	(void)state;
	assert_int_equal(pprof_encode(p, &b), 0);
	q = expect_read(b.data, b.size);
	assert_int_equal(profile_count_samples(q), 0);
	assert_int_equal(profile_values(q), 2);
	profile_free(q);
	profile_free(p);
}

/* --- what others write --- */

static void references_may_come_before_their_targets(void **state)
{
	_cleanup_(buffer_free) struct buffer b = { 0 };
	char name[16];

	(void)state;
	PUT(&b, 2, { 1, 9 }, { 2, 5 }); /* sample, not packed */
	put_location(&b, 9, 5, 7);
	put_number(&b, 13, 3); /* a comment that is not packed */
	put_number(&b, 7, 3);  /* drop_frames */
	put_number(&b, 15, 3); /* doc_url */
	put_number(&b, 99, 1); /* of a later version */
	put_basics(&b);

	struct profile *p = expect_read(b.data, b.size);
	size_t n;
	const uint32_t *stack = profile_get_stack(p, profile_get_sample(p, 0).stack, &n);
	assert_int_equal(n, 1);
	assert_string_equal(profile_frame_name(p, stack[0], 0, name, sizeof(name)), "main");
	assert_int_equal(profile_get_location(p, stack[0])->lines[0].line, 42);
	assert_int_equal(profile_get_sample(p, 0).values[0], 5);
	assert_string_equal(profile_get_note(p, 0), "main");
	profile_free(p);
}

static void ids_may_be_any_numbers(void **state)
{
	_cleanup_(buffer_free) struct buffer b = { 0 };

	(void)state;
	put_basics(&b);
	put_location(&b, UINT64_MAX, 0, 7);
	put_location(&b, (uint64_t)1 << 40, 5, 7);
	PUT(&b, 2, { 1, UINT64_MAX }, { 1, (uint64_t)1 << 40 }, { 2, 5 });
	struct profile *p = expect_read(b.data, b.size);
	size_t n;
	profile_get_stack(p, profile_get_sample(p, 0).stack, &n);
	assert_int_equal(n, 2);
	assert_int_equal(profile_count_locations(p), 2);
	profile_free(p);
}

static void equal_samples_of_a_file_add_up(void **state)
{
	_cleanup_(buffer_free) struct buffer b = { 0 };

	(void)state;
	put_basics(&b);
	put_location(&b, 1, 5, 7);
	put_location(&b, 2, 5, 7);
	PUT(&b, 2, { 1, 1 }, { 2, 5 });
	PUT(&b, 2, { 1, 2 }, { 2, 6 });
	struct profile *p = expect_read(b.data, b.size);
	assert_int_equal(profile_count_samples(p), 1);
	assert_int_equal(profile_get_sample(p, 0).values[0], 11);
	profile_free(p);
}

static void strings_of_a_file_become_valid_utf8(void **state)
{
	_cleanup_(buffer_free) struct buffer b = { 0 };

	(void)state;
	put_basics(&b);
	put_string(&b, "\xff\xfe");
	PUT(&b, 5, { 1, 8 }, { 2, 4 });
	struct profile *p = expect_read(b.data, b.size);
	assert_string_equal(profile_str(p, profile_get_function(p, 2)->name), "??");
	profile_free(p);
}

static void gzip_files_may_follow_one_another(void **state)
{
	_cleanup_(buffer_free) struct buffer plain = { 0 };
	_cleanup_(buffer_free) struct buffer packed = { 0 };
	struct gzip g;

	(void)state;
	put_basics(&plain);
	for (size_t half = 0; half < 2; half++) {
		size_t middle = plain.size / 2;

		assert_int_equal(gzip_begin(&g, &packed), 0);
		gzip_add(&g, plain.data + (half ? middle : 0), half ? plain.size - middle : middle);
		gzip_end(&g);
	}
	profile_free(expect_read(packed.data, packed.size));
	buffer_puts(&packed, "and more");
	expect_refused(packed.data, packed.size, "something else follows its compressed data");
}

/* --- what is broken --- */

static void references_to_nothing_are_refused(void **state)
{
	struct buffer b = { 0 };

	(void)state;
	put_basics(&b);
	size_t basics = b.size;

	put_location(&b, 1, 6, 7);
	expect_refused(b.data, b.size, "it refers to a mapping that it does not have");
	b.size = basics;
	put_location(&b, 1, 5, 8);
	expect_refused(b.data, b.size, "it refers to a function that it does not have");
	b.size = basics;
	put_location(&b, 1, 5, 0);
	expect_refused(b.data, b.size, "it refers to a function that it does not have");
	b.size = basics;
	PUT(&b, 2, { 1, 1 }, { 2, 5 });
	expect_refused(b.data, b.size, "it refers to a location that it does not have");
	b.size = basics;
	PUT(&b, 5, { 1, 8 }, { 2, 4 });
	expect_refused(b.data, b.size, "it refers to a string that it does not have");
	b.size = basics;
	PUT(&b, 5, { 1, 8 }, { 2, UINT64_MAX });
	expect_refused(b.data, b.size, "it refers to a string that it does not have");
	b.size = basics;
	put_number(&b, 14, 4);
	expect_refused(b.data, b.size, "it refers to a string that it does not have");
	buffer_free(&b);
}

static void ids_that_are_zero_or_used_twice_are_refused(void **state)
{
	struct buffer b = { 0 };

	(void)state;
	put_basics(&b);
	size_t basics = b.size;

	PUT(&b, 3, { 1, 0 });
	expect_refused(b.data, b.size, "something in it has the id 0");
	b.size = basics;
	PUT(&b, 3, { 1, 5 });
	expect_refused(b.data, b.size, "two of its mappings have the same id");
	b.size = basics;
	PUT(&b, 5, { 1, 7 });
	expect_refused(b.data, b.size, "two of its functions have the same id");
	b.size = basics;
	put_location(&b, 9, 5, 7);
	put_location(&b, 9, 5, 7);
	expect_refused(b.data, b.size, "two of its locations have the same id");
	buffer_free(&b);
}

static void counts_are_bounded(void **state)
{
	struct buffer b = { 0 }, m = { 0 };

	(void)state;
	put_basics(&b);
	put_location(&b, 9, 5, 7);
	size_t basics = b.size;

	PUT(&b, 2, { 1, 9 });
	expect_refused(b.data, b.size, "one of its samples has not one value for each sample type");
	b.size = basics;
	PUT(&b, 2, { 1, 9 }, { 2, 1 }, { 2, 1 });
	expect_refused(b.data, b.size, "one of its samples has not one value for each sample type");

	b.size = basics;
	for (size_t i = 0; i < PROFILE_VALUES_MAX; i++)
		PUT(&b, 1, { 1, 1 }, { 2, 2 });
	expect_refused(b.data, b.size, "it has more than 8 sample types");

	b.size = basics;
	for (size_t i = 0; i <= PROFILE_STACK_MAX; i++)
		put_number(&m, 1, 9);
	put_number(&m, 2, 1);
	put_bytes(&b, 2, m.data, m.size);
	expect_refused(b.data, b.size, "one of its stacks has more than 4096 frames");

	b.size = basics;
	m.size = 0;
	for (size_t i = 0; i <= PROFILE_LABELS_MAX; i++)
		PUT(&m, 3, { 1, 1 }, { 3, i });
	put_number(&m, 2, 1);
	put_bytes(&b, 2, m.data, m.size);
	expect_refused(b.data, b.size, "one of its samples has more than 64 labels");

	b.size = basics;
	m.size = 0;
	put_number(&m, 1, 10);
	for (size_t i = 0; i <= PROFILE_STACK_MAX; i++)
		PUT(&m, 4, { 1, 7 });
	put_bytes(&b, 4, m.data, m.size);
	expect_refused(b.data, b.size, "one of its locations has more than 4096 lines");
	buffer_free(&b);
	buffer_free(&m);
}

/* Two bytes a label in the file, a hundred in protobuf-c's tree. */
static void one_message_cannot_take_much_memory(void **state)
{
	_cleanup_(buffer_free) struct buffer b = { 0 };
	_cleanup_(buffer_free) struct buffer m = { 0 };

	(void)state;
	put_basics(&b);
	for (size_t i = 0; i < 1 << 20; i++)
		buffer_add(&m, "\x1a\x00", 2);
	put_bytes(&b, 2, m.data, m.size);
	expect_refused(b.data, b.size, "one of its messages is too large");
}

/* Seven bytes a location in the file; each gets a record, an index slot and its id. */
static void memory_is_bounded(void **state)
{
	_cleanup_(buffer_free) struct buffer b = { 0 };
	struct profile *p;
	const char *why;

	(void)state;
	put_basics(&b);
	for (uint64_t i = 0; i < 100000; i++)
		PUT(&b, 4, { 1, 1000000 + i }, { 3, i + 1 });
	assert_int_equal(pprof_decode(b.data, b.size, 2 << 20, &p, &why), -EFBIG);
	assert_string_equal(why, "it takes too much memory");
	p = expect_read(b.data, b.size);
	assert_int_equal(profile_count_locations(p), 100000);
	profile_free(p);
}

static void a_bomb_is_refused(void **state)
{
	_cleanup_(buffer_free) struct buffer packed = { 0 };
	static const char zeros[1 << 16];
	struct gzip g;
	struct profile *p;
	const char *why;

	(void)state;
	assert_int_equal(gzip_begin(&g, &packed), 0);
	for (size_t i = 0; i < 1024; i++)
		gzip_add(&g, zeros, sizeof(zeros));
	gzip_end(&g);
	assert_true(packed.size < 1 << 20);
	assert_int_equal(pprof_decode(packed.data, packed.size, 8 << 20, &p, &why), -EFBIG);
	assert_string_equal(why, "it is too large when decompressed");
}

static void the_decompressed_size_may_reach_the_limit(void **state)
{
	_cleanup_(buffer_free) struct buffer packed = { 0 };
	static const char zeros[10000];
	char *out;
	size_t size;
	const char *why;
	struct gzip g;

	(void)state;
	gzip_begin(&g, &packed);
	gzip_add(&g, zeros, sizeof(zeros));
	gzip_end(&g);
	assert_int_equal(gunzip(packed.data, packed.size, 10000, &out, &size, &why), 0);
	assert_int_equal(size, 10000);
	free(out);
	assert_int_equal(gunzip(packed.data, packed.size, 9999, &out, &size, &why), -EFBIG);
	free(out);
}

static void other_files_are_told_apart(void **state)
{
	static const struct {
		const char *data, *sentence;
	} cases[] = {
		{ "", "it is empty" },
		{ "PERFILE2........", "it is a perf.data file, not a pprof profile" },
		{ "\x7f"
		  "ELF........",
		  "it is a program, not a profile" },
		{ "{\"a\": 1}", "it is JSON, not a pprof profile" },
		{ "<svg>", "it is SVG or HTML, not a pprof profile" },
		{ "main;work 42\n", "it is not a pprof profile, or damaged" },
		{ "\x1f\x8b", "it is cut short" },
		{ "\x1f\x8bnonsense", "its compressed data is damaged" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_refused(cases[i].data, strlen(cases[i].data), cases[i].sentence);
}

static void a_profile_without_strings_or_types_is_refused(void **state)
{
	struct buffer b = { 0 };

	(void)state;
	put_number(&b, 9, 1);
	expect_refused(b.data, b.size, "it has no string table");
	put_string(&b, "");
	expect_refused(b.data, b.size, "it has no sample types");
	b.size = 0;
	put_string(&b, "a");
	expect_refused(b.data, b.size, "the first entry of its string table is not empty");
	buffer_free(&b);
}

/* --- damage --- */

/* Whatever happens to a file, it is read or refused; the sanitizers watch. */
static void judge(const void *data, size_t size, size_t *read, size_t *refused)
{
	struct profile *p = NULL;
	const char *why = NULL;

	if (pprof_decode(data, size, 64 << 20, &p, &why) == 0) {
		(*read)++;
		for (size_t i = 0; i < profile_count_samples(p); i++) {
			size_t n;

			profile_get_stack(p, profile_get_sample(p, i).stack, &n);
		}
		profile_free(p);
	} else {
		assert_non_null(why);
		assert_null(p);
		(*refused)++;
	}
}

static void inflated(struct buffer *out)
{
	struct profile *p = rich_profile();
	_cleanup_(buffer_free) struct buffer packed = { 0 };
	_cleanup_free_ char *plain = NULL;
	const char *why;
	size_t size;

	assert_int_equal(pprof_encode(p, &packed), 0);
	assert_int_equal(gunzip(packed.data, packed.size, 1 << 20, &plain, &size, &why), 0);
	buffer_add(out, plain, size);
	profile_free(p);
}

static void a_file_that_is_cut_short_anywhere_does_no_harm(void **state)
{
	_cleanup_(buffer_free) struct buffer b = { 0 };
	size_t read = 0, refused = 0;

	(void)state;
	inflated(&b);
	for (size_t size = 0; size < b.size; size++) {
		/* A copy of its own, so that a read past the end is seen. */
		_cleanup_free_ char *copy = xmalloc(size);

		memcpy(copy, b.data, size);
		judge(copy, size, &read, &refused);
	}
	assert_true(refused > b.size / 2);
}

static void any_byte_may_be_any_other(void **state)
{
	static const unsigned char values[] = { 0, 1, 2, 0x7f, 0x80, 0xff };
	_cleanup_(buffer_free) struct buffer b = { 0 };
	size_t read = 0, refused = 0;

	(void)state;
	inflated(&b);
	for (size_t i = 0; i < b.size; i++) {
		char old = b.data[i];

		for (size_t v = 0; v < sizeof(values); v++) {
			b.data[i] = (char)values[v];
			judge(b.data, b.size, &read, &refused);
		}
		b.data[i] = old;
	}
	assert_true(read > 0 && refused > 0);
}

static void random_damage_does_no_harm(void **state)
{
	_cleanup_(buffer_free) struct buffer b = { 0 };
	size_t read = 0, refused = 0;
	uint64_t x = 88172645463325252; /* xorshift64, always the same */

	(void)state;
	inflated(&b);
	_cleanup_free_ char *copy = xmalloc(b.size);
	for (unsigned round = 0; round < 3000; round++) {
		memcpy(copy, b.data, b.size);
		for (unsigned i = 0; i < 1 + round % 8; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			copy[x % b.size] = (char)(x >> 32);
		}
		judge(copy, b.size, &read, &refused);
	}
	assert_true(read > 0 && refused > 0);
}

/* --- files --- */

static void loading_names_the_file(void **state)
{
	struct profile *p = rich_profile(), *q = NULL;
	_cleanup_(buffer_free) struct buffer b = { 0 };
	char path[] = "/tmp/plimsoll-pprof-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(pprof_encode(p, &b), 0);
	assert_int_equal(write(fd, b.data, b.size), b.size);
	assert_int_equal(pprof_load(path, &q), 0);
	check_rich(q);
	profile_free(q);

	log_set_level(LOG_QUIET);
	assert_int_equal(ftruncate(fd, (off_t)b.size - 1), 0);
	assert_int_equal(pprof_load(path, &q), -EBADMSG);
	unlink(path);
	assert_int_equal(pprof_load(path, &q), -ENOENT);
	assert_int_equal(pprof_load("/", &q), -EISDIR);
	log_set_level(LOG_INFO);
	close(fd);
	profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(encoding_appends),
		cmocka_unit_test(an_empty_profile_has_types_and_no_samples),
		cmocka_unit_test(references_may_come_before_their_targets),
		cmocka_unit_test(ids_may_be_any_numbers),
		cmocka_unit_test(equal_samples_of_a_file_add_up),
		cmocka_unit_test(strings_of_a_file_become_valid_utf8),
		cmocka_unit_test(gzip_files_may_follow_one_another),
		cmocka_unit_test(references_to_nothing_are_refused),
		cmocka_unit_test(ids_that_are_zero_or_used_twice_are_refused),
		cmocka_unit_test(counts_are_bounded),
		cmocka_unit_test(one_message_cannot_take_much_memory),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(a_bomb_is_refused),
		cmocka_unit_test(the_decompressed_size_may_reach_the_limit),
		cmocka_unit_test(other_files_are_told_apart),
		cmocka_unit_test(a_profile_without_strings_or_types_is_refused),
		cmocka_unit_test(a_file_that_is_cut_short_anywhere_does_no_harm),
		cmocka_unit_test(any_byte_may_be_any_other),
		cmocka_unit_test(random_damage_does_no_harm),
		cmocka_unit_test(loading_names_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
