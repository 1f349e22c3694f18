/* SPDX-License-Identifier: Apache-2.0 */
/* What -c and -p mean for a recorded profile. */
#include "profile_fixture.h"

#include "base/cleanup.h"
#include "profile/select.h"

#define ID       \
	"3f2a9c" \
	"00112233445566778899aabbccddeeff00112233445566778899aabbccdd"

static uint32_t labels_of(struct profile *p, const char *name, const char *id, const char *pod,
			  int64_t pid)
{
	struct label labels[] = {
		{ .key = profile_string(p, "container"), .text = profile_string(p, name) },
		{ .key = profile_string(p, "container_id"), .text = profile_string(p, id) },
		{ .key = profile_string(p, "pid"), .number = pid },
		{ .key = profile_string(p, "pod"), .text = profile_string(p, pod ? pod : "") },
		{ .key = profile_string(p, "namespace"), .text = profile_string(p, "shop") },
	};

	return profile_labels(p, labels, pod ? 5 : 3);
}

static void a_pattern_means_name_id_pod_or_glob(void **state)
{
	static const struct {
		const char *pattern;
		bool means;
	} cases[] = {
		{ "web", true },	{ "we", false },    { "webs", false },
		{ "w*", true },		{ "[vw]e?", true }, { "3f2a", true },
		{ "3f2a9c", true },	{ ID, true },	    { "3f2", false },
		{ "3f2b", false },	{ "3F2A", false },  { "shop/cart-0", true },
		{ "shop/cart*", true }, { "shop/*", true }, { "cart-0", false },
		{ "other/*", false },	{ "", false },	    { "[", false },
	};
	struct profile *p = fixture_new();
	uint32_t labels = labels_of(p, "web", ID, "cart-0", 1);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (select_container(p, labels, cases[i].pattern) != cases[i].means)
			fail_msg("'%s'", cases[i].pattern);
	profile_free(p);
}

static void samples_without_labels_match_nothing(void **state)
{
	struct profile *p = fixture_new();

	(void)state;
	fixture_add(p, NULL, NULL, "main", 1);
	assert_false(select_finds_container(p, "*"));
	assert_false(select_finds_pid(p, 8));
	assert_true(select_finds_pid(p, 7));
	profile_free(p);
}

static void several_choices_mean_any(void **state)
{
	struct profile *p = fixture_new(), *chosen;
	const int64_t one[] = { 1, 10 };
	const char *const containers[] = { "web" };
	const int64_t pids[] = { 3 };

	(void)state;
	profile_add(p, fixture_stack(p, "a"), labels_of(p, "web", "", NULL, 1), one);
	profile_add(p, fixture_stack(p, "b"), labels_of(p, "db", "", NULL, 2), one);
	profile_add(p, fixture_stack(p, "c"), labels_of(p, "host", "", NULL, 3), one);

	chosen = select_samples(p, &(struct selection){ containers, 1, pids, 1 });
	assert_int_equal(profile_count_samples(chosen), 2);
	assert_int_equal(profile_find_string(chosen, "b"), 0);
	profile_free(chosen);
	chosen = select_samples(p, &(struct selection){ 0 });
	assert_int_equal(profile_count_samples(chosen), 3);
	profile_free(chosen);
	profile_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pattern_means_name_id_pod_or_glob),
		cmocka_unit_test(samples_without_labels_match_nothing),
		cmocka_unit_test(several_choices_mean_any),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
