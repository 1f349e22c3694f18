/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens one file in headless Chromium and counts what must not happen: errors of scripts, requests
 * to anywhere but the file itself. Observations are printed as JSON; the test judges them.
 */
import { chromium } from 'playwright-core';
import { pathToFileURL } from 'node:url';

export async function open(path, context = {}) {
	const browser = await chromium.launch({
		executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
		args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
			'--disable-background-networking', '--disable-component-update', '--disable-sync'],
	});
	const page = await browser.newPage({ viewport: { width: 1200, height: 800 }, ...context });
	const seen = { errors: [], requests: [] };
	const url = pathToFileURL(path).href;

	page.on('pageerror', (error) => seen.errors.push(String(error)));
	page.on('console', (message) => {
		/* Chromium looks for the icon of a page whenever it likes, and may not from a file. */
		if (message.type() === 'error' && !/favicon/.test(message.text()))
			seen.errors.push(message.text());
	});
	page.on('request', (request) => {
		if (request.url().split('#')[0] !== url)
			seen.requests.push(request.url());
	});
	await page.goto(url);
	return { browser, page, seen };
}

/* The frames that are drawn now: name by tooltip would need a hover, so by text and geometry. */
export function frames(page) {
	return page.evaluate(() => Array.from(document.querySelectorAll('g.frames > g.f')).map((g) => {
		const rect = g.querySelector('rect'), text = g.querySelector('text');
		const number = (name) => Number(rect.getAttribute(name));

		return {
			text: text ? text.textContent : '', look: g.getAttribute('class'),
			x: number('x'), y: number('y'), width: number('width'),
			textWidth: text ? text.getComputedTextLength() : 0,
		};
	}));
}

export const frame = (page, name) => page.locator('g.frames > g.f').filter({
	has: page.locator(`text=${JSON.stringify(name)}`) }).first();

export async function finish(browser, observations) {
	await browser.close();
	console.log(JSON.stringify(observations));
}
