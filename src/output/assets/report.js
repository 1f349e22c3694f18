/*
 * The report's tables: functions are sorted by a click on a column's head and filtered by a regular
 * expression; a container's name zooms the flame graph to it.
 */
(function () {
	'use strict';

	function make(tag, attributes) {
		const e = document.createElement(tag);

		for (const key in attributes)
			e.setAttribute(key, attributes[key]);
		return e;
	}

	/* --- functions --- */

	const table = document.getElementById('functions');

	if (table) {
		const body = table.tBodies[0];
		const rows = Array.from(body.rows);
		const heads = Array.from(table.tHead.rows[0].cells);

		const valueOf = (row, column, kind) => kind === 'number' ?
			Number(row.cells[column].dataset.v) : row.cells[column].textContent;

		/* Numbers start with the largest, words with A; a second click turns it round. */
		const sortBy = (column) => {
			const head = heads[column], kind = head.dataset.sort;
			const first = kind === 'number' ? 'descending' : 'ascending';
			const second = kind === 'number' ? 'ascending' : 'descending';
			const order = head.getAttribute('aria-sort') === first ? second : first;
			const sign = order === 'ascending' ? 1 : -1;

			for (const h of heads)
				h.removeAttribute('aria-sort');
			head.setAttribute('aria-sort', order);
			rows.sort((a, b) => {
				const x = valueOf(a, column, kind), y = valueOf(b, column, kind);

				return sign * (kind === 'number' ? x - y : x.localeCompare(y));
			});
			body.replaceChildren(...rows);
		};

		heads.forEach((head, column) => {
			const button = make('button', { type: 'button', title: 'Sort' });

			button.textContent = head.textContent;
			button.addEventListener('click', () => sortBy(column));
			head.replaceChildren(button);
		});

		const tools = document.getElementById('functions-tools');
		const count = make('span', { 'class': 'faint', role: 'status' });
		const search = make('input', {
			type: 'search', placeholder: 'Filter: function, container, file (regex)',
			'aria-label': 'Filter the functions by regular expression', spellcheck: 'false',
		});

		const compile = (term) => {
			try {
				return new RegExp(term, 'i');
			} catch (e) {
				return new RegExp(term.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'i');
			}
		};
		const filter = () => {
			const pattern = search.value ? compile(search.value) : null;
			let shown = 0;

			for (const row of rows) {
				const words = Array.from(row.cells).filter((c) => !c.dataset.v);
				const hit = !pattern || words.some((c) => pattern.test(c.textContent));

				row.hidden = !hit;
				shown += hit ? 1 : 0;
			}
			count.textContent = pattern ? shown + ' of ' + rows.length : '';
		};

		search.addEventListener('input', filter);
		tools.append(count, search);
	}

	/* --- containers --- */

	const graph = document.querySelector('svg.flamegraph');

	for (const head of document.querySelectorAll('#containers tbody th')) {
		const button = make('button', { type: 'button', title: 'Zoom the flame graph to it' });
		const wanted = head.textContent;

		button.textContent = wanted;
		button.addEventListener('click', () => {
			if (graph && graph.plimsollZoom && graph.plimsollZoom(wanted))
				graph.scrollIntoView({ block: 'nearest' });
		});
		head.replaceChildren(button);
	}
})();
