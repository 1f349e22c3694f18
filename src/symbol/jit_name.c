/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names in perf maps; see jit_name.h. A reader a compiler, which leaves alone what it does not
 * recognize. Where the forms come from: V8's src/logging/log.cc (CodeEventLogger) and
 * src/logging/code-events.h; HotSpot's Method::external_name() by CodeCache::write_perf_map();
 * perf-map-agent; CPython's Python/perf_trampoline.c.
 */
#include "symbol/jit_name.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

/* What a name is put together in. Longer parts are cut. */
#define PART_MAX 1024

static __attribute__((format(printf, 2, 3))) const char *put(struct arena *arena,
							     const char *format, ...)
{
	char made[PART_MAX];
	va_list ap;
	int size;

	va_start(ap, format);
	size = vsnprintf(made, sizeof(made), format, ap);
	va_end(ap);
	return arena_strndup(arena, made, MIN((size_t)MAX(size, 0), sizeof(made) - 1));
}

/* --- V8: KIND:MARK NAME FILE:LINE:COLUMN, before Node.js 20 without column --- */

/* Takes ":NUMBER" from the end of text[0..*size). */
static bool cut_number(const char *text, size_t *size, int64_t *number)
{
	size_t end = *size, at = end;
	int64_t value = 0, scale = 1;

	while (at && text[at - 1] >= '0' && text[at - 1] <= '9' && end - at < 9) {
		value += (text[--at] - '0') * scale;
		scale *= 10;
	}
	if (at == end || at < 2 || text[at - 1] != ':')
		return false;
	*size = at - 1;
	*number = value;
	return true;
}

/* Where the file begins: names ("get value") and paths may have blanks, but a path begins with one
 * of these; what begins with none has no blank. */
static const char *find_file(const char *text, size_t size)
{
	static const char *const beginnings[] = { " /", " node:", " file:" };
	const char *first = NULL, *last;

	for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++) {
		const char *p = memmem(text, size, beginnings[i], strlen(beginnings[i]));

		if (p && (!first || p < first))
			first = p;
	}
	last = memrchr(text, ' ', size);
	return first ? first : last;
}

static bool read_v8(const char *name, struct arena *arena, struct jit_name *out)
{
	static const char *const kinds[] = { "JS:",   "LazyCompile:", "Function:",
					     "Eval:", "Script:",      "Callback:" };
	const char *text = NULL, *file;
	int64_t line, column = 1, last;
	size_t size;

	for (size_t i = 0; i < ARRAY_SIZE(kinds) && !text; i++)
		if (strncmp(name, kinds[i], strlen(kinds[i])) == 0)
			text = name + strlen(kinds[i]);
	if (!text)
		return false;
	text += *text && strchr("~^+*", *text);
	if (!*text)
		return false;
	out->function = text;
	size = strlen(text);
	if (!cut_number(text, &size, &last))
		return true;
	if (cut_number(text, &size, &line))
		column = last;
	else
		line = last;
	file = find_file(text, size);
	if (!file || file + 1 == text + size)
		return true;
	out->file = put(arena, "%.*s", (int)(size - (size_t)(file + 1 - text)), file + 1);
	if (strncmp(out->file, "file://", strlen("file://")) == 0)
		out->file += strlen("file://");
	out->line = line;
	/* The function around a module's code begins where its file does. */
	if (file > text)
		out->function = put(arena, "%.*s", (int)(file - text), text);
	else if (line == 1 && column == 1)
		out->function = put(arena, "(module %s)", base_name(out->file));
	else
		out->function = put(arena, "(anonymous %s:%" PRId64 ")", base_name(out->file),
				    line);
	return true;
}

/* --- Java --- */

/* TYPE CLASS.METHOD(TYPE, ...). A hidden class has "/0xADDRESS" in its name, another in each run.
 */
static bool read_hotspot(const char *name, struct arena *arena, struct jit_name *out)
{
	const char *open = strchr(name, '('), *blank = strchr(name, ' '), *hidden, *dot;

	if (!open || !blank || blank > open || blank[1] == '(' || name[strlen(name) - 1] != ')' ||
	    memchr(blank + 1, ' ', (size_t)(open - blank - 1)) ||
	    !memchr(blank, '.', (size_t)(open - blank)))
		return false;
	blank++;
	hidden = memmem(blank, (size_t)(open - blank), "/0x", 3);
	dot = hidden ? memchr(hidden, '.', (size_t)(open - hidden)) : NULL;
	if (!dot)
		hidden = dot = open;
	out->function = put(arena, "%.*s%.*s", (int)(hidden - blank), blank, (int)(open - dot),
			    dot);
	return true;
}

/* LPACKAGE/CLASS;::METHOD, and what may follow in parentheses. */
static bool read_perf_map_agent(const char *name, struct arena *arena, struct jit_name *out)
{
	const char *separator = name[0] == 'L' ? strstr(name, ";::") : NULL, *method;
	char class[PART_MAX];

	if (!separator || strchr(name, ' '))
		return false;
	snprintf(class, sizeof(class), "%.*s", (int)(separator - name - 1), name + 1);
	for (char *slash = class; (slash = strchr(slash, '/'));)
		*slash = '.';
	method = separator + 3;
	out->function = put(arena, "%s.%.*s", class, (int)strcspn(method, "("), method);
	return true;
}

/* --- Python: py::QUALIFIED NAME:FILE --- */

/* It is a trampoline's, in front of the interpreter's own frame, which may have the function's name
 * already (language_python.c): "py::" stays, or all would seem to call themselves. */
static bool read_python(const char *name, struct arena *arena, struct jit_name *out)
{
	static const char prefix[] = "py::";
	const char *file;

	if (strncmp(name, prefix, strlen(prefix)) != 0)
		return false;
	/* Functions have no ':' in their names; files may. */
	file = strchr(name + strlen(prefix), ':');
	if (!file || file == name + strlen(prefix) || !file[1])
		return false;
	out->function = put(arena, "%.*s", (int)(file - name), name);
	out->file = file + 1;
	return true;
}

void jit_name_read(const char *name, struct arena *arena, struct jit_name *out)
{
	static bool (*const readers[])(const char *, struct arena *, struct jit_name *) = {
		read_v8,
		read_hotspot,
		read_perf_map_agent,
		read_python,
	};

	*out = (struct jit_name){ .function = name };
	for (size_t i = 0; i < ARRAY_SIZE(readers); i++)
		if (readers[i](name, arena, out))
			return;
}
