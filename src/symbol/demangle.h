/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mangled C++ and Rust names (legacy and v0) to what the programmer wrote, without parameters: a
 * frame says `std::vector<int>::push_back`, the symbol table's form stays beside it.
 */
#ifndef PLIMSOLL_SYMBOL_DEMANGLE_H
#define PLIMSOLL_SYMBOL_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

bool is_mangled(const char *name);

/*
 * names[i] becomes its readable form, in `arena`; what cannot be read stays as it is. Names may be
 * hostile: those that take forever or all memory are among those that stay. What crashes the
 * library that reads them crashes us, so names of files are read in confined processes
 * (base/confined.h). Uses SIGVTALRM and its timer meanwhile.
 */
void demangle_all(const char **names, size_t n, struct arena *arena);

#endif
