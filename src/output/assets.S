/* SPDX-License-Identifier: Apache-2.0 */
/* Brings the files of assets/ into the program; the path is relative to the root of the tree. */
	.macro asset symbol, path
	.globl	\symbol, \symbol\()_end
\symbol:
	.incbin	"\path"
\symbol\()_end:
	.byte	0
	.endm

	.section .rodata
	asset asset_flamegraph_css, "src/output/assets/flamegraph.css"
	asset asset_flamegraph_js, "src/output/assets/flamegraph.js"
	asset asset_report_css, "src/output/assets/report.css"
	asset asset_report_js, "src/output/assets/report.js"

	.section .note.GNU-stack, "", %progbits
