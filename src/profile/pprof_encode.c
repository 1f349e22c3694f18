/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing pprof. A protobuf message may be written as any number of parts, one after the other: so
 * the profile is a small message of its own, and behind it come its samples, mappings, locations,
 * functions and strings, each packed, compressed and forgotten.
 *
 *     | types, times, notes | 2: sample | 2: sample | ... | 3: mapping | ... | 6: string | ...
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "profile/gzip.h"
#include "profile/pprof.h"
#include "profile/profile.pb-c.h"

/* Fields of message Profile. */
enum { FIELD_SAMPLE = 2, FIELD_MAPPING, FIELD_LOCATION, FIELD_FUNCTION, FIELD_STRING };

struct encoder {
	const struct profile *profile;
	struct gzip gzip;
	uint8_t *packed; /* one message */
	size_t packed_capacity;
	Pprof__Line *lines; /* of one location */
	Pprof__Line **line_pointers;
	size_t lines_capacity, line_pointers_capacity;
};

/* A field of wire type 2: its tag, its length (a base-128 varint), its bytes. */
static void add_field(struct encoder *e, unsigned field, const void *data, size_t size)
{
	uint8_t head[1 + 10] = { (uint8_t)(field << 3 | 2) };
	size_t n = 1, rest = size;

	for (; rest >= 0x80; rest >>= 7)
		head[n++] = (uint8_t)(rest | 0x80);
	head[n++] = (uint8_t)rest;
	gzip_add(&e->gzip, head, n);
	gzip_add(&e->gzip, data, size);
}

static size_t pack(struct encoder *e, const ProtobufCMessage *m)
{
	size_t size = protobuf_c_message_get_packed_size(m);

	if (size > e->packed_capacity) {
		e->packed = xreallocarray(e->packed, size, 2);
		e->packed_capacity = size * 2;
	}
	return protobuf_c_message_pack(m, e->packed);
}

static void add_message(struct encoder *e, unsigned field, const ProtobufCMessage *m)
{
	size_t size = pack(e, m);

	add_field(e, field, e->packed, size);
}

static Pprof__ValueType value_type(struct value_type t)
{
	Pprof__ValueType m = PPROF__VALUE_TYPE__INIT;

	m.type = t.type;
	m.unit = t.unit;
	return m;
}

static void add_head(struct encoder *e)
{
	const struct profile *p = e->profile;
	const struct profile_head *head = profile_get_head(p);
	Pprof__Profile m = PPROF__PROFILE__INIT;
	Pprof__ValueType types[PROFILE_VALUES_MAX], *pointers[PROFILE_VALUES_MAX];
	Pprof__ValueType period = value_type(head->period_type);
	_cleanup_free_ int64_t *notes = xcalloc(profile_notes(p), sizeof(*notes));

	for (size_t i = 0; i < profile_values(p); i++) {
		types[i] = value_type(profile_types(p)[i]);
		pointers[i] = &types[i];
	}
	for (size_t i = 0; i < profile_notes(p); i++)
		notes[i] = profile_find_string(p, profile_get_note(p, i));
	m.sample_type = pointers;
	m.n_sample_type = profile_values(p);
	m.time_nanos = head->time;
	m.duration_nanos = head->duration;
	if (period.type || period.unit)
		m.period_type = &period;
	m.period = head->period;
	m.comment = notes;
	m.n_comment = profile_notes(p);
	m.default_sample_type = head->default_type;

	size_t size = pack(e, &m.base);
	gzip_add(&e->gzip, e->packed, size);
}

static void add_sample(struct encoder *e, struct sample s)
{
	const struct profile *p = e->profile;
	uint64_t locations[PROFILE_STACK_MAX];
	Pprof__Label labels[PROFILE_LABELS_MAX], *pointers[PROFILE_LABELS_MAX];
	Pprof__Sample m = PPROF__SAMPLE__INIT;
	const uint32_t *stack = profile_get_stack(p, s.stack, &m.n_location_id);
	const struct label *set = profile_get_labels(p, s.labels, &m.n_label);

	for (size_t i = 0; i < m.n_location_id; i++)
		locations[i] = stack[i];
	for (size_t i = 0; i < m.n_label; i++) {
		pprof__label__init(&labels[i]);
		labels[i].key = set[i].key;
		labels[i].str = set[i].text;
		labels[i].num = set[i].number;
		labels[i].num_unit = set[i].unit;
		pointers[i] = &labels[i];
	}
	m.location_id = locations;
	m.value = (int64_t *)s.values;
	m.n_value = profile_values(p);
	m.label = pointers;
	add_message(e, FIELD_SAMPLE, &m.base);
}

/* What the locations of a mapping know. */
struct knowledge {
	bool used, unnamed, files, numbers, inlines;
};

static struct knowledge *learn(const struct profile *p)
{
	struct knowledge *all = xcalloc(profile_count_mappings(p) + 1, sizeof(*all));

	for (uint32_t i = 1; i <= profile_count_locations(p); i++) {
		const struct location *l = profile_get_location(p, i);
		struct knowledge *k = &all[l->mapping];

		k->used = true;
		k->unnamed |= !l->nlines;
		k->inlines |= l->nlines > 1;
		for (uint32_t j = 0; j < l->nlines; j++) {
			k->numbers |= l->lines[j].line != 0;
			k->files |= profile_get_function(p, l->lines[j].function)->file != 0;
		}
	}
	return all;
}

static void add_mappings(struct encoder *e)
{
	_cleanup_free_ struct knowledge *known = learn(e->profile);

	for (uint32_t i = 1; i <= profile_count_mappings(e->profile); i++) {
		const struct mapping *from = profile_get_mapping(e->profile, i);
		Pprof__Mapping m = PPROF__MAPPING__INIT;

		m.id = i;
		m.memory_start = from->start;
		m.memory_limit = from->limit;
		m.file_offset = from->offset;
		m.filename = from->file;
		m.build_id = from->build_id;
		/* pprof looks for names itself, in files of this host, where none of these is set.
		 */
		m.has_functions = known[i].used && !known[i].unnamed;
		m.has_filenames = m.has_functions && known[i].files;
		m.has_line_numbers = m.has_functions && known[i].numbers;
		m.has_inline_frames = m.has_functions && known[i].inlines;
		add_message(e, FIELD_MAPPING, &m.base);
	}
}

static void add_location(struct encoder *e, uint32_t id)
{
	const struct location *l = profile_get_location(e->profile, id);
	Pprof__Location m = PPROF__LOCATION__INIT;

	GROW(e->lines, l->nlines, e->lines_capacity);
	GROW(e->line_pointers, l->nlines, e->line_pointers_capacity);
	for (uint32_t i = 0; i < l->nlines; i++) {
		pprof__line__init(&e->lines[i]);
		e->lines[i].function_id = l->lines[i].function;
		e->lines[i].line = l->lines[i].line;
		e->line_pointers[i] = &e->lines[i];
	}
	m.id = id;
	m.mapping_id = l->mapping;
	m.address = l->address;
	m.n_line = l->nlines;
	m.line = e->line_pointers;
	add_message(e, FIELD_LOCATION, &m.base);
}

static void add_function(struct encoder *e, uint32_t id)
{
	const struct function *f = profile_get_function(e->profile, id);
	Pprof__Function m = PPROF__FUNCTION__INIT;

	m.id = id;
	m.name = f->name;
	m.system_name = f->system_name;
	m.filename = f->file;
	m.start_line = f->start_line;
	add_message(e, FIELD_FUNCTION, &m.base);
}

int pprof_encode(const struct profile *p, struct buffer *out)
{
	struct encoder e = { .profile = p };
	int err = gzip_begin(&e.gzip, out);

	if (err)
		return err;
	add_head(&e);
	for (size_t i = 0; i < profile_count_samples(p); i++)
		add_sample(&e, profile_get_sample(p, i));
	add_mappings(&e);
	for (uint32_t i = 1; i <= profile_count_locations(p); i++)
		add_location(&e, i);
	for (uint32_t i = 1; i <= profile_count_functions(p); i++)
		add_function(&e, i);
	for (uint32_t i = 0; i < profile_count_strings(p); i++)
		add_field(&e, FIELD_STRING, profile_str(p, i), strlen(profile_str(p, i)));
	gzip_end(&e.gzip);
	free(e.packed);
	free(e.lines);
	free(e.line_pointers);
	return 0;
}
