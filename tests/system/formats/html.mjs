/* SPDX-License-Identifier: Apache-2.0 */
/* Uses an HTML report as a person does: node html.mjs FILE FUNCTION CONTAINER */
import { finish, frame, frames, open } from './browser.mjs';

const [file, name, container] = process.argv.slice(2);
const seenNow = {};
const rows = (page) => page.evaluate(() => Array.from(document.querySelectorAll('#functions tbody tr'))
	.filter((row) => !row.hidden).map((row) => Array.from(row.cells).map((c) => c.textContent)));

const { browser, page, seen } = await open(file);

seenNow.heading = await page.locator('h1').textContent();
seenNow.containers = await page.evaluate(() => Array.from(document.querySelectorAll('#containers tbody tr'))
	.map((row) => Array.from(row.cells).map((c) => c.textContent)));
seenNow.losses = await page.locator('.losses li').allTextContents();
seenNow.rows = await rows(page);

const head = (words) => page.locator('#functions thead').getByRole('button', { name: words, exact: true });

await head('Function').click();
seenNow.byName = await rows(page);
await head('Function').click();
seenNow.byNameBackwards = await rows(page);
await head('Total').click();
seenNow.byTotal = await rows(page);
await page.locator('#functions-tools input').fill('^' + name + '$');
seenNow.filtered = await rows(page);
await page.locator('#functions-tools input').fill('');

await page.locator('#containers').getByRole('button', { name: container, exact: true }).click();
seenNow.zoomed = await frames(page);
await page.getByRole('button', { name: 'Reset' }).click();
seenNow.reset = await frames(page);
await frame(page, name).click();
seenNow.clicked = await frames(page);

/* A script that is put in from outside, without the nonce, must not run. */
await page.evaluate(() => {
	const script = document.createElement('div');

	script.innerHTML = '<img src="x:" onerror="window.injected = 1">';
	document.body.appendChild(script);
	const inline = document.createElement('script');

	inline.textContent = 'window.injected = 2';
	document.body.appendChild(inline);
});
await page.waitForTimeout(100);
seenNow.injected = await page.evaluate(() => typeof window.injected);
seenNow.pwned = await page.evaluate(() => typeof window.pwned);
/* What the browser says of those two is not the report's fault. */
seenNow.refused = seen.errors.filter((e) => e.includes('Content Security Policy')).length;
seen.errors = seen.errors.filter((e) => !e.includes('Content Security Policy'));
seen.requests = seen.requests.filter((url) => url !== 'x:');
await browser.close();

/* A phone, and a browser without scripts. */
const phone = await open(file, { viewport: { width: 390, height: 800 } });
seenNow.overflow = await phone.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
seen.errors.push(...phone.seen.errors);
await phone.browser.close();

const still = await open(file, { javaScriptEnabled: false });
seenNow.still = {
	rows: await still.page.locator('#functions tbody tr').count(),
	frames: await still.page.locator('g.frames > g.f > rect').count(),
	titles: await still.page.locator('g.frames > g.f > title').count(),
};
await finish(still.browser, { ...seenNow, ...seen });
