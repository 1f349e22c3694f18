/* SPDX-License-Identifier: Apache-2.0 */
/* Where results go; see outputs.h. */
#include "cmd/outputs.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/terminal.h"
#include "cmd/cmd.h"

struct output {
	const char *path;
	const struct format *format;
	bool has_format; /* given with it, not told by its suffix */
	struct output_file *file;
};

struct outputs {
	struct output *array;
	size_t n, capacity;
	const struct format *format; /* --format */
};

struct outputs *outputs_new(void)
{
	return xcalloc(1, sizeof(struct outputs));
}

void outputs_free(struct outputs *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->n; i++)
		output_abort(o->array[i].file);
	free(o->array);
	free(o);
}

size_t outputs_count(const struct outputs *o)
{
	return o->n;
}

static bool is_stdout(const struct output *out)
{
	return strcmp(out->path, "-") == 0;
}

/* --- formats --- */

static char *list_formats(bool suffixes)
{
	struct buffer list = { 0 };

	for (const struct format *f = formats; f->name; f++)
		if (!suffixes || f->suffix)
			buffer_printf(&list, "%s%s", list.size ? " " : "",
				      suffixes ? f->suffix : f->name);
	return list.data;
}

char *outputs_suffixes(void)
{
	return list_formats(true);
}

char *outputs_names(void)
{
	return list_formats(false);
}

static const struct format *find_format(const char *name)
{
	const struct format *found = format_by_name(name);
	const char *names[64] = { 0 }, *near;
	_cleanup_free_ char *all = NULL;
	size_t n = 0;

	if (found)
		return found;
	/* A suffix without its dot is a name too, see format_by_name(). */
	for (size_t i = 0; formats[i].name && n + 2 < ARRAY_SIZE(names); i++) {
		names[n++] = formats[i].name;
		if (formats[i].suffix)
			names[n++] = formats[i].suffix + 1;
	}
	near = nearest_name(name, names);
	all = outputs_names();
	if (near)
		log_error("no format is called '%s' (did you mean '%s'?)", name, near);
	else
		log_error("no format is called '%s' (there are: %s)", name, all);
	return NULL;
}

int outputs_set_format(struct outputs *o, const char *format)
{
	o->format = find_format(format);
	return o->format ? 0 : -EINVAL;
}

int outputs_add(struct outputs *o, const char *path, const char *format)
{
	const struct format *found = format ? find_format(format) : NULL;

	if (format && !found)
		return -EINVAL;
	GROW(o->array, o->n, o->capacity);
	o->array[o->n++] = (struct output){
		.path = path,
		.format = found,
		.has_format = found != NULL,
	};
	return 0;
}

static int choose_format(const struct outputs *o, struct output *out)
{
	if (out->has_format)
		return 0;
	out->format = is_stdout(out) ? NULL : format_by_path(out->path);
	if (!out->format)
		out->format = o->format;
	if (!out->format && is_stdout(out))
		out->format = format_by_name("table");
	if (out->format)
		return 0;

	_cleanup_free_ char *suffixes = outputs_suffixes();
	log_error("cannot tell the format of '%s' by its name (known are %s; or say --format)",
		  out->path, suffixes);
	return -EINVAL;
}

static int check(const struct outputs *o, size_t i, bool for_diff)
{
	const struct output *out = &o->array[i];

	for (size_t j = 0; j < i; j++) {
		if (strcmp(o->array[j].path, out->path) == 0) {
			log_error("'%s' is named as output twice", out->path);
			return -EINVAL;
		}
	}
	if (for_diff && !out->format->write_diff) {
		log_error("a comparison cannot be written as %s", out->format->name);
		return -EINVAL;
	}
	/* Of all formats this one is not text. */
	if (is_stdout(out) && out->format->write == pprof_write && isatty(STDOUT_FILENO)) {
		log_error("a pprof file is not for a terminal: name a file (-o profile.pb.gz)");
		return -EINVAL;
	}
	return 0;
}

/* --- opening and writing --- */

int outputs_open(struct outputs *o, bool for_diff)
{
	int err = 0;

	if (!o->n)
		outputs_add(o, "-", NULL);
	for (size_t i = 0; !err && i < o->n; i++) {
		err = choose_format(o, &o->array[i]);
		if (!err)
			err = check(o, i, for_diff);
	}
	for (size_t i = 0; !err && i < o->n; i++) {
		err = output_open(o->array[i].path, &o->array[i].file);
		if (err)
			log_error("cannot write %s: %s", o->array[i].path, strerror(-err));
		/* What a system call calls invalid is no wrong usage. */
		if (err == -EINVAL)
			err = -EIO;
	}
	return err;
}

int outputs_open_all(struct outputs *o)
{
	return outputs_open(o, false);
}

/* A table is as wide as the terminal that it is for, and coloured there unless the user objects;
 * files get all there is. */
static struct output_options fit(const struct output *out, const struct output_options *options)
{
	struct output_options fitted = *options;

	fitted.color = is_stdout(out) && terminal_has_colours(STDOUT_FILENO);
	fitted.width = is_stdout(out) && out->format->write == table_write
			       ? terminal_columns(STDOUT_FILENO)
			       : 0;
	return fitted;
}

/* `before` is NULL where nothing is compared. */
static int write_one(struct output *out, const struct profile *before, const struct profile *p,
		     const struct output_options *options)
{
	const struct output_options fitted = fit(out, options);
	_cleanup_(buffer_free) struct buffer data = { 0 };
	struct output_file *file = TAKE_PTR(out->file);
	int err;

	err = before ? out->format->write_diff(before, p, &fitted, &data)
		     : out->format->write(p, &fitted, &data);
	if (err) {
		output_abort(file);
		return err;
	}
	err = output_write(file, data.data, data.size);
	if (err)
		output_abort(file);
	else
		err = output_commit(file);
	/* `| head` has seen enough. */
	if (err == -EPIPE && is_stdout(out))
		return 0;
	if (err)
		log_error("cannot write %s: %s", is_stdout(out) ? "standard output" : out->path,
			  strerror(-err));
	return err;
}

/* Standard output is the last: whoever reads it may end us early. */
static int write_all(struct outputs *o, const struct profile *before, const struct profile *p,
		     const struct output_options *options)
{
	void (*old)(int) = signal(SIGPIPE, SIG_IGN);
	int first = 0;

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < o->n; i++) {
			if (is_stdout(&o->array[i]) != (pass == 1))
				continue;
			int err = write_one(&o->array[i], before, p, options);

			first = first ? first : err;
		}
	}
	signal(SIGPIPE, old);
	return first;
}

int outputs_write_all(struct outputs *o, const struct profile *p,
		      const struct output_options *options)
{
	return write_all(o, NULL, p, options);
}

int outputs_write_diff_all(struct outputs *o, const struct profile *before,
			   const struct profile *after, const struct output_options *options)
{
	return write_all(o, before, after, options);
}
