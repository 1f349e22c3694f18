/* SPDX-License-Identifier: Apache-2.0 */
/* What Node programs do all day, for ever: here, in a worker thread and in libuv's pool. */
'use strict';
const crypto = require('crypto');
const zlib = require('zlib');
const { Worker, isMainThread } = require('worker_threads');

const words = Array.from({ length: 3000 }, (_, i) => crypto.createHash('md5').update(String(i)).digest('hex'));

class Node {
	constructor(depth) {
		this.children = depth ? [new Node(depth - 1), new Node(depth - 1), new Node(depth - 1)] : [];
	}
	weigh() {
		return this.children.reduce((sum, child) => sum + child.weigh(), 1);
	}
}

const tasks = [
	() => JSON.parse(JSON.stringify(words.map((word) => ({ word, size: word.length })))),
	() => words.join(' ').replace(/([0-9]+)([a-f]+)/g, (_, digits, letters) => letters + digits),
	() => words.slice().sort((a, b) => a.slice(3).localeCompare(b.slice(3))),
	() => zlib.gzipSync(words.join('')),
	() => new Node(7).weigh(),
	() => crypto.pbkdf2('secret', 'salt', 2000, 32, 'sha256', () => {}),
];

function turn() {
	for (const task of tasks)
		task();
	setImmediate(turn);
}

if (isMainThread)
	new Worker(__filename);
turn();
