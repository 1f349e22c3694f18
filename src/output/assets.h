/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scripts and styles that go into SVG and HTML; the files are in assets/, brought in by assets.S.
 */
#ifndef PLIMSOLL_OUTPUT_ASSETS_H
#define PLIMSOLL_OUTPUT_ASSETS_H

#include "base/text.h"

#define DECLARE_ASSET(name) extern const char asset_##name[], asset_##name##_end[]

DECLARE_ASSET(flamegraph_css);
DECLARE_ASSET(flamegraph_js);
DECLARE_ASSET(report_css);
DECLARE_ASSET(report_js);

/* Appends the asset as it is: none contains "]]>" or "</", see tests/unit/test_output.c. */
#define add_asset(out, name) \
	buffer_add((out), asset_##name, (size_t)(asset_##name##_end - asset_##name))

#endif
