/*
 * Redraws the flame graph from the data in the file, to the width that there is: zoom, search,
 * tooltips, keyboard. The same script serves the SVG that stands alone and the one in a report.
 *
 * The data is a tree in preorder, four numbers a node (six in a comparison) in typed arrays; a
 * redraw visits what is visible and jumps over the rest, so its cost is the screen's, not the profile's.
 * Names only ever become text nodes.
 */
(function () {
	'use strict';

	const SVG = 'http://www.w3.org/2000/svg';
	const HTML = 'http://www.w3.org/1999/xhtml';
	const NARROWEST = 0.3, TALL = 36, STEEPER = 0.1, PADDING = 4, WIDTH_LEAST = 280;

	const svg = document.querySelector('svg.flamegraph');
	const source = document.getElementById('flamegraph-data');

	if (!svg || !source)
		return;

	const alone = document.documentElement === svg;
	const data = JSON.parse(source.textContent);
	const top = Number(svg.getAttribute('data-top')), foot = Number(svg.getAttribute('data-foot'));
	const frames = svg.querySelector('g.frames'), head = svg.querySelector('g.head');
	const ROW = data.row, MARGIN = data.margin;

	/* --- the tree --- */

	const STRIDE = data.diff ? 6 : 4;
	const count = data.nodes.length / STRIDE;
	const level = new Uint16Array(count), frame = new Uint32Array(count);
	const total = new Float64Array(count), self = new Float64Array(count);
	const before = new Float64Array(data.diff ? count : 0);
	const weight = data.diff ? new Float64Array(count) : total;
	const left = new Float64Array(count); /* in weight, from the root's left edge */
	const end = new Uint32Array(count);   /* behind the last descendant */
	const parent = new Int32Array(count);
	(function () {
		const path = [], edge = [0];

		for (let i = 0, d = 0; i < count; i++, d += STRIDE) {
			const l = level[i] = data.nodes[d];

			frame[i] = data.nodes[d + 1];
			total[i] = data.nodes[d + 2];
			self[i] = data.nodes[d + 3];
			if (data.diff) {
				before[i] = data.nodes[d + 4];
				weight[i] = (total[i] + before[i]) / 2;
			}
			while (path.length > l)
				end[path.pop()] = i;
			parent[i] = l ? path[l - 1] : -1;
			path[l] = i;
			left[i] = edge[l];
			edge[l] += weight[i];
			edge[l + 1] = left[i];
		}
		while (path.length)
			end[path.pop()] = count;
	})();

	const name = (i) => data.frames[frame[i]][0];

	/* --- state --- */

	let inverted = data.inverted;
	let zoom = 0;
	let current = -1;
	let pattern = null;
	let matches = null; /* Uint8Array by palette entry */
	let width = 0, character = 7.23;
	let levels = 0; /* rows; grows where a zoom shows deeper frames */
	const shown = new Map(); /* node -> its <g> */

	/* --- words --- */

	const grouped = (n) => Math.round(n).toLocaleString('en-US');

	function duration(ns) {
		const pad = (n) => String(Math.floor(n)).padStart(2, '0');

		if (ns < 1e3)
			return Math.round(ns) + ' ns';
		if (ns < 1e6)
			return (ns / 1e3).toFixed(1) + ' µs';
		if (ns < 1e9)
			return (ns / 1e6).toFixed(ns < 1e7 ? 1 : 0) + ' ms';
		const s = ns / 1e9;
		if (s < 60)
			return s.toFixed(s < 10 ? 2 : 1) + ' s';
		if (s < 3600)
			return Math.floor(s / 60) + ' m ' + pad(s % 60) + ' s';
		return Math.floor(s / 3600) + ' h ' + pad(s % 3600 / 60) + ' m';
	}

	function bytes(n) {
		const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
		let u = 0;

		for (; n >= 1023.95 && u + 1 < units.length; u++)
			n /= 1024;
		return n.toFixed(u ? 1 : 0) + ' ' + units[u];
	}

	function amount(v) {
		const times = { nanoseconds: 1, microseconds: 1e3, milliseconds: 1e6, seconds: 1e9 };

		v *= data.scale;
		if (!(v > 0))
			return '0';
		if (Object.prototype.hasOwnProperty.call(times, data.unit))
			return duration(v * times[data.unit]);
		return data.unit === 'bytes' ? bytes(v) : grouped(v);
	}

	const share = (part, whole) => whole > 0 ? 100 * part / whole : 0;

	function percent(part, whole) {
		const p = share(part, whole);

		return p > 0 && p < 0.05 ? '<0.1 %' : p.toFixed(1) + ' %';
	}

	function changeWords(i) {
		const points = share(total[i], total[0]) - share(before[i], before[0]);
		const delta = total[i] - before[i];

		return [
			'before ' + percent(before[i], before[0]) + ', ' + amount(before[i]),
			'after ' + percent(total[i], total[0]) + ', ' + amount(total[i]),
			(points < 0 ? '' : '+') + points.toFixed(1) + ' pp, ' +
				(delta < 0 ? '-' : '+') + amount(Math.abs(delta)),
		];
	}

	/* What a tooltip says of a node, line by line; the name first. */
	function describe(i) {
		const f = data.frames[frame[i]];
		const lines = [f[0] + (f[2] ? ' (' + f[2] + ')' : '')];

		if (data.diff) {
			lines.push(...changeWords(i));
		} else {
			lines.push(percent(total[i], total[0]) + ' of all, ' + amount(total[i]));
			if (zoom && i !== zoom && i >= zoom && i < end[zoom])
				lines.push(percent(total[i], total[zoom]) + ' of ' + name(zoom));
			if (self[i] && self[i] !== total[i])
				lines.push('self ' + percent(self[i], total[0]) + ', ' + amount(self[i]));
		}
		if (f[3])
			lines.push(f[3]);
		return lines;
	}

	/* --- drawing --- */

	function element(ns, tag, attributes, parentNode) {
		const e = document.createElementNS(ns, tag);

		for (const key in attributes)
			e.setAttribute(key, attributes[key]);
		if (parentNode)
			parentNode.appendChild(e);
		return e;
	}

	/* Wide characters take two columns; roughly those of East Asia and the emoji. */
	const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

	function fit(text, columns) {
		if (text.length <= columns && !WIDE.test(text))
			return text;
		let used = 0, out = '';

		for (const c of text) {
			const w = WIDE.test(c) ? 2 : 1;

			if (used + w > columns) {
				/* Room for the ellipsis is made by taking back the last character. */
				return Array.from(out).slice(0, -1).join('') + '…';
			}
			out += c;
			used += w;
		}
		return out;
	}

	const rowTop = (l) => top + (inverted ? l : levels - 1 - l) * ROW;

	function draw(i, x, w, above) {
		const f = data.frames[frame[i]];
		const y = rowTop(level[i]);
		const columns = Math.floor((w - 2 * PADDING) / character);
		const g = element(SVG, 'g', {});
		let look = 'f ' + f[1];

		if (above)
			look += ' above';
		if (matches)
			look += matches[frame[i]] ? ' match' : ' dim';
		if (i === current)
			look += ' current';
		g.setAttribute('class', look);
		element(SVG, 'rect', {
			x: x.toFixed(2), y: y, width: (w > 3 ? w - 0.5 : w).toFixed(2), height: ROW - 1,
		}, g);
		if (columns >= 4)
			element(SVG, 'text', { x: (x + PADDING).toFixed(2), y: y + 13 }, g).textContent =
				fit(f[0], columns);
		g.plimsollNode = i;
		shown.set(i, g);
		return g;
	}

	/* Calls visit(node, x, width) for all that is wide enough, the zoomed one first. */
	function eachVisible(visit) {
		const inner = width - 2 * MARGIN;
		const scale = weight[zoom] > 0 ? inner / weight[zoom] : 0;

		for (let i = zoom; i < end[zoom];) {
			const w = i === zoom ? inner : weight[i] * scale;

			const above = Math.max(0, level[i] - level[zoom] - TALL);

			if (w < NARROWEST + above * STEEPER) {
				i = end[i];
				continue;
			}
			visit(i, MARGIN + (left[i] - left[zoom]) * scale, w);
			i++;
		}
	}

	/* The paper fills the window, with a pixel to spare for its rounding. */
	function setHeight() {
		const before = levels;

		eachVisible((i) => {
			levels = Math.max(levels, level[i] + 1);
		});
		const height = top + levels * ROW + foot;
		const grown = Math.max(0, levels - before) * ROW;

		svg.setAttribute('height', alone ? Math.max(height, window.innerHeight - 1) : height);
		for (const line of svg.querySelectorAll('.foot text'))
			line.setAttribute('y', height - foot + 20);
		/* What is looked at stays where it is. */
		if (alone && before && grown && !inverted)
			window.scrollBy(0, grown);
	}

	function redraw() {
		const picture = document.createDocumentFragment();

		setHeight();
		shown.clear();
		for (let p = parent[zoom]; p >= 0; p = parent[p])
			picture.appendChild(draw(p, MARGIN, width - 2 * MARGIN, true));
		eachVisible((i, x, w) => picture.appendChild(draw(i, x, w, false)));
		frames.replaceChildren(picture);
	}

	/* A report's legend has the line to itself; on a phone it is drawn smaller. */
	function fitLegend() {
		const legend = svg.querySelector('g.legend'), box = legend.getBBox();
		const scale = Math.min(1, (width - 2 * MARGIN) / Math.max(1, box.width));

		legend.setAttribute('transform', 'translate(' + MARGIN * (1 - scale) + ' 0) scale(' + scale + ')');
	}

	/* The text of header and footer is cut to the width as frames are. */
	function fitLines() {
		for (const text of svg.querySelectorAll('.heading, .facts, .foot text')) {
			const whole = text.plimsollWhole || (text.plimsollWhole = text.textContent);
			let keep = whole.length;

			text.textContent = whole;
			while (keep > 1 && text.getComputedTextLength() > width - 2 * MARGIN) {
				keep = Math.floor(keep * 0.92);
				text.textContent = whole.slice(0, keep) + '…';
			}
		}
	}

	function resize() {
		const box = alone ? document.documentElement.clientWidth || window.innerWidth :
				    svg.parentNode.clientWidth;
		width = Math.max(WIDTH_LEAST, Math.floor(box));
		svg.removeAttribute('viewBox');
		svg.setAttribute('width', width);
		if (alone)
			placeControls();
		else
			fitLegend();
		fitLines();
		redraw();
	}

	/* Title, legend and search stay in sight while a tall graph is scrolled. */
	function followScroll() {
		head.setAttribute('transform', 'translate(0,' + Math.max(0, window.scrollY) + ')');
	}

	/* --- tooltip --- */

	const tip = element(HTML, 'div', { 'class': 'flamegraph-tip' });
	let tipHome = null;

	tip.hidden = true;
	if (alone) {
		tipHome = element(SVG, 'foreignObject', { width: 1, height: 1 }, svg);
		tipHome.style.pointerEvents = 'none';
		tipHome.style.overflow = 'visible';
		tipHome.appendChild(tip);
	} else {
		tip.style.position = 'fixed';
		tip.style.zIndex = '10';
		document.body.appendChild(tip);
	}

	function hideTip() {
		tip.hidden = true;
		tip.style.display = 'none';
	}

	/* Near the pointer, on the side where there is room. clientX and clientY. */
	function showTip(i, x, y) {
		const lines = describe(i);

		tip.replaceChildren();
		lines.forEach((line, n) => {
			const e = element(HTML, n ? 'span' : 'b', {}, tip);

			e.textContent = line;
			if (n && n === lines.length - 1 && data.frames[frame[i]][3])
				e.setAttribute('class', 'faint');
		});
		tip.hidden = false;
		tip.style.display = '';
		if (tipHome)
			tipHome.setAttribute('width', Math.min(560, width - 8));
		const box = tip.getBoundingClientRect();
		const fitsRight = x + 14 + box.width < window.innerWidth;
		const fitsBelow = y + 18 + box.height < window.innerHeight;
		const tx = Math.max(4, fitsRight ? x + 14 : x - 10 - box.width);
		const ty = Math.max(4, fitsBelow ? y + 18 : y - 10 - box.height);

		if (tipHome) {
			const origin = svg.getBoundingClientRect();

			tipHome.setAttribute('x', Math.max(2, Math.min(tx - origin.left, width - box.width - 2)));
			tipHome.setAttribute('y', ty - origin.top);
		} else {
			tip.style.left = tx + 'px';
			tip.style.top = ty + 'px';
		}
	}

	/* --- controls --- */

	const controls = alone ? element(HTML, 'div', {}) :
				 document.querySelector('.flamegraph-controls');
	let controlsHome = null;

	controls.setAttribute('class', 'flamegraph-controls');

	function button(label, title, action) {
		const b = element(HTML, 'button', { type: 'button', title: title }, controls);

		b.textContent = label;
		b.addEventListener('click', action);
		return b;
	}

	const matched = element(HTML, 'span', { 'class': 'matched', role: 'status' }, controls);
	const search = element(HTML, 'input', {
		type: 'search', placeholder: 'Search (regex)', 'aria-label': 'Search functions by regular expression',
		title: 'Ctrl-F or /', spellcheck: 'false', autocomplete: 'off',
	}, controls);
	const flip = button('Icicle', 'Root on top or at the bottom (i)', () => setInverted(!inverted));
	const reset = button('Reset', 'Whole picture (Esc)', () => {
		current = -1;
		setSearch('');
		zoomTo(0);
	});
	const spoken = element(HTML, 'span', { 'class': 'flamegraph-unseen', 'aria-live': 'polite' }, controls);

	if (alone) {
		controlsHome = element(SVG, 'foreignObject', { height: 30 });
		controlsHome.appendChild(controls);
		head.appendChild(controlsHome);
	}

	/* Right of the legend where there is room for both; else in its place. */
	function placeControls() {
		const legend = svg.querySelector('g.legend');
		const roomy = width >= 900;
		const from = roomy ? 480 : MARGIN;

		controlsHome.setAttribute('x', from);
		controlsHome.setAttribute('y', top - 34);
		controlsHome.setAttribute('width', Math.max(100, width - MARGIN - from));
		if (legend)
			legend.setAttribute('visibility', roomy ? 'visible' : 'hidden');
	}

	function update() {
		flip.textContent = inverted ? 'Flame' : 'Icicle';
		reset.hidden = !zoom && !pattern;
		matched.textContent = pattern ? 'matched ' + percent(matchedWeight(), weight[zoom]) : '';
	}

	/* Frames within a matched frame count once. */
	function matchedWeight() {
		let sum = 0;

		for (let i = zoom; i < end[zoom];) {
			if (matches[frame[i]]) {
				sum += weight[i];
				i = end[i];
			} else {
				i++;
			}
		}
		return sum;
	}

	function compile(term) {
		try {
			search.classList.remove('wrong');
			return new RegExp(term, 'i');
		} catch (e) {
			/* Half-typed, or C++ as it is: taken literally, and marked. */
			search.classList.add('wrong');
			return new RegExp(term.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'i');
		}
	}

	function setSearch(term) {
		if (search.value !== term)
			search.value = term;
		pattern = term ? compile(term) : null;
		if (!term)
			search.classList.remove('wrong');
		matches = pattern ? Uint8Array.from(data.frames, (f) => pattern.test(f[0]) ? 1 : 0) : null;
		redraw();
		update();
	}

	function zoomTo(i) {
		zoom = i;
		hideTip();
		redraw();
		update();
	}

	function setInverted(on) {
		inverted = on;
		redraw();
		update();
	}

	function select(i) {
		const old = shown.get(current);

		if (old)
			old.classList.remove('current');
		current = i;
		const g = shown.get(i);

		if (!g)
			return;
		g.classList.add('current');
		const box = g.getBoundingClientRect();

		if (box.top < 0 || box.bottom > window.innerHeight)
			g.scrollIntoView({ block: 'nearest' });
		showTip(i, Math.max(0, box.left), inverted ? box.bottom - 16 : box.top);
		spoken.textContent = describe(i).join('. ');
	}

	/* --- keyboard --- */

	const sibling = {
		next: (i) => shown.has(end[i]) && parent[end[i]] === parent[i] ? end[i] : -1,
		previous: (i) => {
			let found = -1;

			for (let s = parent[i] + 1; parent[i] >= 0 && s < i; s = end[s])
				if (shown.has(s))
					found = s;
			return found;
		},
	};

	function widestChild(i) {
		let best = -1;

		for (let c = i + 1; c < end[i]; c = end[c])
			if (shown.has(c) && (best < 0 || weight[c] > weight[best]))
				best = c;
		return best;
	}

	function step(key) {
		const away = inverted ? 'ArrowDown' : 'ArrowUp'; /* from the root */
		let to = -1;

		if (current < 0 || !shown.has(current))
			to = zoom;
		else if (key === away)
			to = widestChild(current);
		else if (key === 'ArrowLeft')
			to = sibling.previous(current);
		else if (key === 'ArrowRight')
			to = sibling.next(current);
		else
			to = parent[current];
		if (to >= 0)
			select(to);
	}

	function escape() {
		if (!tip.hidden)
			hideTip();
		if (pattern)
			setSearch('');
		else
			zoomTo(0);
	}

	const keys = {
		ArrowUp: step, ArrowDown: step, ArrowLeft: step, ArrowRight: step,
		Enter: () => current >= 0 && zoomTo(current),
		Escape: escape,
		i: () => setInverted(!inverted),
		'/': () => search.focus(),
	};

	/* In a report only while the graph has the focus: the page has keys of its own. */
	function onKey(event) {
		const typing = event.target === search;
		const ours = alone || svg.contains(event.target) || controls.contains(event.target);

		if (event.key === 'f' && (event.ctrlKey || event.metaKey) && ours && !typing) {
			event.preventDefault();
			search.focus();
			search.select();
			return;
		}
		if (!ours || event.ctrlKey || event.metaKey || event.altKey)
			return;
		if (typing) {
			if (event.key === 'Escape') {
				setSearch('');
				search.blur();
			}
			return;
		}
		if (event.key === 'Enter' && controls.contains(event.target))
			return;
		if (Object.prototype.hasOwnProperty.call(keys, event.key)) {
			event.preventDefault();
			keys[event.key](event.key);
		}
	}

	/* --- wiring --- */

	function nodeAt(event) {
		const g = event.target.closest ? event.target.closest('g.f') : null;

		return g && g.plimsollNode !== undefined ? g.plimsollNode : -1;
	}

	frames.addEventListener('click', (event) => {
		const i = nodeAt(event);

		if (i >= 0) {
			current = i;
			zoomTo(i);
		}
	});
	frames.addEventListener('mousemove', (event) => {
		const i = nodeAt(event);

		if (i >= 0)
			showTip(i, event.clientX, event.clientY);
		else
			hideTip();
	});
	frames.addEventListener('mouseleave', hideTip);
	search.addEventListener('input', () => setSearch(search.value));
	document.addEventListener('keydown', onKey);
	window.addEventListener('resize', resize);
	if (alone)
		window.addEventListener('scroll', followScroll, { passive: true });
	svg.setAttribute('tabindex', '0');
	svg.setAttribute('aria-label', 'Flame graph: arrow keys walk the frames, Enter zooms, Escape goes back');

	/* The font's own width of a character, measured once; what was assumed is for the widest. */
	function measure() {
		const g = element(SVG, 'g', { 'class': 'f', visibility: 'hidden' }, svg);
		const text = element(SVG, 'text', {}, g);

		text.textContent = 'm'.repeat(50);
		const w = text.getComputedTextLength() / 50;

		if (w > 4 && w < 12)
			character = w;
		g.remove();
	}

	measure();
	hideTip();
	resize();
	update();
	if (alone && !inverted)
		window.scrollTo(0, document.documentElement.scrollHeight);

	/* For a report's page: zoom to the child of the root that has this name. */
	svg.plimsollZoom = function (wanted) {
		for (let c = 1; c < count; c = end[c])
			if (name(c) === wanted)
				return zoomTo(c), true;
		return false;
	};
})();
