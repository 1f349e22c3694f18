/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names in perf maps, as compilers write them, taken apart into what a profile has fields for:
 *
 *     JS:*leaf /app/server.js:3:14                 leaf                   /app/server.js:3
 *     LazyCompile:~ /app/server.js:9               (anonymous server.js:9) /app/server.js:9
 *     Eval:~ /app/server.js:1:1                    (module server.js)     /app/server.js:1
 *     int App$Counter.add(int)                     App$Counter.add
 *     Lcom/example/App;::main                      com.example.App.main
 *     py::handle:/app/main.py                      py::handle             /app/main.py
 *
 * V8's marks for the compiler that made the code (~ none, ^ Sparkplug, + Maglev, * TurboFan) go, so
 * that a function is one frame however often it was compiled; they stay in the name as written.
 * The line is the function's first. Everything else is what it is: "Builtin:ArrayForEach".
 */
#ifndef PLIMSOLL_SYMBOL_JIT_NAME_H
#define PLIMSOLL_SYMBOL_JIT_NAME_H

#include <stdint.h>

#include "base/arena.h"

struct jit_name {
	const char *function; /* in the arena, or in the name as written */
	const char *file;     /* in the arena; NULL: not told */
	int64_t line;	      /* 0: not told */
};

/* `name` must outlive *out. */
void jit_name_read(const char *name, struct arena *arena, struct jit_name *out);

#endif
