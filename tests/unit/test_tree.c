/* SPDX-License-Identifier: Apache-2.0 */
/* Trees: folding, order, inlined frames, roots, comparison. */
#include "profile_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "profile/tree.h"

static const char *const no_roots[] = { NULL };
static const struct tree_options samples = { .value = 0, .roots = no_roots };

/* The node at "a/b/c" below the root, NULL if there is none. */
static const struct tree_node *find(const struct tree *t, const char *path)
{
	const struct tree_node *node = t->root;

	while (node && *path) {
		size_t n = strcspn(path, "/");

		for (node = node->children; node; node = node->next)
			if (strlen(node->name) == n && strncmp(node->name, path, n) == 0)
				break;
		path += n + (path[n] == '/');
	}
	return node;
}

static void expect(const struct tree *t, const char *path, uint64_t self, uint64_t total)
{
	const struct tree_node *node = find(t, path);

	if (!node)
		fail_msg("no node '%s'", path);
	if (node->self != self || node->total != total)
		fail_msg("'%s' has %llu, %llu", path, (unsigned long long)node->self,
			 (unsigned long long)node->total);
}

/* What every tree promises, whatever is in it. */
static void check_invariants(const struct tree *t)
{
	const struct tree_node *node = t->root;
	uint32_t nodes = 0, level = 0, deepest = 0;

	while (node) {
		uint64_t below = node->self;
		uint32_t children = 0;

		nodes++;
		deepest = MAX(deepest, level);
		for (const struct tree_node *c = node->children; c; c = c->next) {
			assert_ptr_equal(c->parent, node);
			if (c->next)
				assert_true(strcmp(c->name, c->next->name) <= 0);
			below += c->total;
			children++;
		}
		assert_int_equal(children, node->nchildren);
		assert_true(below == node->total);
		if (node->children) {
			node = node->children;
			level++;
			continue;
		}
		while (node && !node->next) {
			node = node->parent;
			level--;
		}
		node = node ? node->next : NULL;
	}
	assert_int_equal(nodes, t->nodes);
	assert_int_equal(deepest, t->depth);
}

static void samples_fold_by_common_prefix(void **state)
{
	struct profile *p = fixture_new();

	(void)state;
	fixture_add(p, "web", "t", "main parse", 1);
	fixture_add(p, "web", "t", "main parse token", 2);
	fixture_add(p, "web", "t", "main send", 4);
	fixture_add(p, "web", "t", "main", 8);
	fixture_add(p, "web", "t", "start", 16);

	struct tree *t = tree_new(p, &samples);
	check_invariants(t);
	expect(t, "", 0, 31);
	expect(t, "main", 8, 15);
	expect(t, "main/parse", 1, 3);
	expect(t, "main/parse/token", 2, 2);
	expect(t, "main/send", 4, 4);
	expect(t, "start", 16, 16);
	assert_int_equal(t->nodes, 6);
	assert_int_equal(t->depth, 3);
	assert_string_equal(t->type, "samples");
	assert_string_equal(t->root->children->name, "main");
	assert_string_equal(find(t, "main")->file, "/bin/app");
	tree_free(t);

	t = tree_new(p, &(struct tree_options){ .value = 1, .roots = no_roots });
	expect(t, "", 0, 310);
	assert_string_equal(t->unit, "nanoseconds");
	tree_free(t);
	profile_free(p);
}

static void roots_are_labels_in_order(void **state)
{
	static const char *const by_pid[] = { "pid", "pod", NULL };
	struct profile *p = fixture_new();

	(void)state;
	fixture_add(p, "web", "nginx", "main", 1);
	fixture_add(p, "web", NULL, "main", 2);
	fixture_add(p, "db", "nginx", "main", 4);

	struct tree *t = tree_new(p, &(struct tree_options){ .value = 0 });
	check_invariants(t);
	expect(t, "web", 0, 3);
	expect(t, "web/nginx/main", 1, 1);
	expect(t, "web/-/main", 2, 2);
	expect(t, "db/nginx/main", 4, 4);
	assert_int_equal(find(t, "web")->kind, FRAME_CONTAINER);
	assert_int_equal(find(t, "web/nginx")->kind, FRAME_THREAD);
	tree_free(t);

	t = tree_new(p, &(struct tree_options){ .value = 0, .roots = by_pid });
	expect(t, "7/-/main", 7, 7);
	tree_free(t);
	profile_free(p);
}

static void inlined_functions_are_frames_of_their_own(void **state)
{
	struct profile *p = fixture_new();

	(void)state;
	/* "call" is a location in which "helper" and in it "detail" were inlined. */
	fixture_add(p, "web", "t", "main call,helper,detail", 1);
	fixture_add(p, "web", "t", "main helper", 2);

	struct tree *t = tree_new(p, &samples);
	check_invariants(t);
	expect(t, "main/call/helper/detail", 1, 1);
	assert_false(find(t, "main/call")->inlined);
	assert_true(find(t, "main/call/helper")->inlined);
	assert_true(find(t, "main/call/helper/detail")->inlined);
	assert_false(find(t, "main/helper")->inlined);
	tree_free(t);
	profile_free(p);
}

static void recursion_nests(void **state)
{
	struct profile *p = fixture_new();

	(void)state;
	fixture_add(p, "web", "t", "f f f", 1);
	fixture_add(p, "web", "t", "f f", 2);

	struct tree *t = tree_new(p, &samples);
	check_invariants(t);
	expect(t, "f", 0, 3);
	expect(t, "f/f", 2, 3);
	expect(t, "f/f/f", 1, 1);
	tree_free(t);
	profile_free(p);
}

static void one_name_in_two_files_is_one_node_of_no_file(void **state)
{
	struct profile *p = fixture_new();
	const struct mapping m = { .file = profile_string(p, "/lib/other.so") };
	uint32_t location = profile_named_location(p, profile_mapping(p, &m), "main");
	const int64_t values[] = { 2, 20 };

	(void)state;
	fixture_add(p, "web", "t", "main", 1);
	profile_add(p, profile_stack(p, &location, 1), 0, values);

	struct tree *t = tree_new(p, &samples);
	expect(t, "main", 3, 3);
	assert_null(find(t, "main")->file);
	tree_free(t);
	profile_free(p);
}

static void nothing_and_less_have_no_width(void **state)
{
	struct profile *p = fixture_new();
	const int64_t negative[] = { -5, 0 };

	(void)state;
	struct tree *t = tree_new(p, &samples);
	assert_int_equal(t->nodes, 1);
	assert_int_equal(t->root->total, 0);
	tree_free(t);

	profile_add(p, fixture_stack(p, "main"), 0, negative);
	t = tree_new(p, &samples);
	assert_int_equal(t->nodes, 1);
	tree_free(t);

	/* A sample without a stack belongs to the root. */
	profile_add(p, 0, 0, (const int64_t[]){ 3, 30 });
	t = tree_new(p, &samples);
	expect(t, "", 3, 3);
	tree_free(t);

	/* A value that the profile does not have. */
	t = tree_new(p, &(struct tree_options){ .value = 5, .roots = no_roots });
	assert_int_equal(t->nodes, 1);
	tree_free(t);
	profile_free(p);
}

static void a_comparison_scales_before_to_after(void **state)
{
	struct profile *before = fixture_new(), *after = fixture_new();
	struct tree *t;

	(void)state;
	/* 10 samples before, 20 after: each before counts twice. */
	fixture_add(before, "web", "t", "main old", 4);
	fixture_add(before, "web", "t", "main both", 6);
	fixture_add(after, "web", "t", "main both", 15);
	fixture_add(after, "web", "t", "main new", 5);

	assert_int_equal(tree_diff(before, after, &samples, &t), 0);
	check_invariants(t);
	assert_true(t->is_diff);
	assert_int_equal(t->base_total, 10);
	expect(t, "", 0, 20);
	expect(t, "main/both", 15, 15);
	expect(t, "main/new", 5, 5);
	expect(t, "main/old", 0, 0);
	assert_true(find(t, "")->total_base == 20);
	assert_true(find(t, "main/both")->self_base == 12);
	assert_true(find(t, "main/new")->total_base == 0);
	assert_true(find(t, "main/old")->total_base == 8);
	tree_free(t);
	profile_free(before);
	profile_free(after);
}

static void a_comparison_with_nothing_is_not_scaled(void **state)
{
	struct profile *before = fixture_new(), *after = fixture_new();
	struct tree *t;

	(void)state;
	fixture_add(before, "web", "t", "main", 4);
	assert_int_equal(tree_diff(before, after, &samples, &t), 0);
	assert_true(find(t, "main")->total_base == 4);
	tree_free(t);
	assert_int_equal(tree_diff(after, before, &samples, &t), 0);
	expect(t, "main", 4, 4);
	assert_true(find(t, "main")->total_base == 0);
	tree_free(t);
	profile_free(before);
	profile_free(after);
}

static void values_to_compare_are_found_by_type(void **state)
{
	struct profile *before = profile_new(), *after = fixture_new();
	const struct value_type types[] = {
		{ profile_string(before, "cpu"), profile_string(before, "nanoseconds") },
	};
	struct tree *t;

	(void)state;
	profile_set_types(before, types, 1);
	profile_add(before, fixture_stack(before, "main"), 0, (const int64_t[]){ 50 });
	fixture_add(after, "web", "t", "main", 10);
	assert_int_equal(tree_diff(before, after,
				   &(struct tree_options){ .value = 1, .roots = no_roots }, &t),
			 0);
	assert_true(find(t, "main")->total_base == 100);
	tree_free(t);
	log_set_level(LOG_QUIET);
	assert_int_equal(tree_diff(before, after, &samples, &t), -22);
	log_set_level(LOG_INFO);
	profile_free(before);
	profile_free(after);
}

static void totals_saturate(void **state)
{
	struct profile *p = fixture_new();
	const int64_t most[] = { INT64_MAX, 1 };

	(void)state;
	profile_add(p, fixture_stack(p, "a b"), 0, most);
	profile_add(p, fixture_stack(p, "a c"), 0, most);
	profile_add(p, fixture_stack(p, "a d"), 0, most);
	struct tree *t = tree_new(p, &samples);
	assert_true(t->root->total == UINT64_MAX);
	assert_true(find(t, "a/b")->self == INT64_MAX);
	tree_free(t);
	profile_free(p);
}

/* 600 stacks of 4,000 frames, no two with a beginning in common: 2.4 million nodes, were there no
 * bound. */
static void a_profile_made_to_be_large_is_bounded(void **state)
{
	enum { STACKS = 600, FRAMES = 4000 };
	struct profile *p = fixture_new();
	static uint32_t locations[FRAMES];
	static uint32_t names[FRAMES];
	char name[32];

	(void)state;
	for (unsigned i = 0; i < FRAMES; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		names[i] = profile_named_location(p, 0, name);
	}
	for (unsigned s = 0; s < STACKS; s++) {
		for (unsigned i = 0; i < FRAMES; i++)
			locations[i] = names[(i + s) % FRAMES];
		profile_add(p, profile_stack(p, locations, FRAMES), 0, (const int64_t[]){ 1, 10 });
	}
	struct tree *t = tree_new(p, &samples);
	check_invariants(t);
	assert_int_equal(t->root->total, STACKS);
	assert_true(t->nodes < (2u << 20) + 600);
	assert_non_null(find(t, "[too many frames]"));
	tree_free(t);
	profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_fold_by_common_prefix),
		cmocka_unit_test(roots_are_labels_in_order),
		cmocka_unit_test(inlined_functions_are_frames_of_their_own),
		cmocka_unit_test(recursion_nests),
		cmocka_unit_test(one_name_in_two_files_is_one_node_of_no_file),
		cmocka_unit_test(nothing_and_less_have_no_width),
		cmocka_unit_test(a_comparison_scales_before_to_after),
		cmocka_unit_test(a_comparison_with_nothing_is_not_scaled),
		cmocka_unit_test(values_to_compare_are_found_by_type),
		cmocka_unit_test(totals_saturate),
		cmocka_unit_test(a_profile_made_to_be_large_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
