// SPDX-License-Identifier: Apache-2.0

// Burns 70, 20 and 10 % of its time in functions of these names, for so many seconds.
'use strict';

function burn_70(x) {
	for (let i = 0; i < 700000; i++) x = (x ^ (x << 13)) + i | 0;
	return x;
}

function burn_20(x) {
	for (let i = 0; i < 200000; i++) x = (x ^ (x << 13)) + i | 0;
	return x;
}

function burn_10(x) {
	for (let i = 0; i < 100000; i++) x = (x ^ (x << 13)) + i | 0;
	return x;
}

function round(x) {
	return burn_70(x) + burn_20(x) + burn_10(x);
}

const end = Date.now() + 1000 * Number(process.argv[2]);
let x = 1;
[0].forEach(() => {
	while (Date.now() < end) x = round(x);
});
console.log(x);
