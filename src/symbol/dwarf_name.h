/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions that were never linked under a name of their own (lambdas, members of what is in an
 * anonymous namespace) have in DWARF only what stands before the parenthesis: "operator()". Where
 * they stand in the tree of DIEs says the rest.
 */
#ifndef PLIMSOLL_SYMBOL_DWARF_NAME_H
#define PLIMSOLL_SYMBOL_DWARF_NAME_H

#include "base/arena.h"
#include "symbol/dwarf_info.h"

/*
 * "outer::(anonymous namespace)::shape::area" for the DIE at `offset` whose name is `written`.
 * NULL: nothing stands around it, or the way to it is not marked (clang leaves the marks out, but
 * tells linkage names).
 */
const char *dwarf_qualified_name(struct dwarf_unit *unit, uint64_t offset, const char *written,
				 struct arena *arena);

#endif
