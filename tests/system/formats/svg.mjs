/* SPDX-License-Identifier: Apache-2.0 */
/* Uses an SVG flame graph as a person does: node svg.mjs FILE FUNCTION */
import { finish, frame, frames, open } from './browser.mjs';

const [file, name] = process.argv.slice(2);
const { browser, page, seen } = await open(file);
const seenNow = {};
const text = (selector) => page.locator(selector).first().textContent();

seenNow.start = await frames(page);
seenNow.heading = await text('.heading');
seenNow.facts = await text('.facts');

await frame(page, name).hover();
seenNow.tip = await page.locator('.flamegraph-tip').innerText();

await frame(page, name).click();
seenNow.zoomed = await frames(page);
seenNow.resetShown = await page.getByRole('button', { name: 'Reset' }).isVisible();

await page.getByRole('button', { name: 'Reset' }).click();
seenNow.reset = await frames(page);

await page.keyboard.press('Control+f');
await page.keyboard.type(name.slice(0, 4) + '.*');
seenNow.matched = await text('.matched');
seenNow.searched = await frames(page);
await page.keyboard.press('Escape');
seenNow.cleared = await frames(page);

await page.locator('input').fill('broken(');
seenNow.wrong = await page.locator('input.wrong').count();
await page.locator('input').fill('');
await page.locator('input').blur();

await page.getByRole('button', { name: 'Icicle' }).click();
seenNow.icicle = await frames(page);
await page.keyboard.press('i');
seenNow.flame = await frames(page);

/* From the root to its widest child, then into it; away from the button, whose Enter is its own. */
await page.evaluate(() => document.activeElement.blur());
await page.keyboard.press('ArrowUp');
await page.keyboard.press('ArrowUp');
seenNow.spoken = await page.locator('[aria-live]').textContent();
await page.keyboard.press('Enter');
seenNow.keyZoomed = await frames(page);
await page.keyboard.press('Escape');
await page.keyboard.press('Escape');

await page.setViewportSize({ width: 700, height: 800 });
await page.waitForTimeout(100);
seenNow.narrow = await frames(page);

seenNow.pwned = await page.evaluate(() => typeof window.pwned);
await finish(browser, { ...seenNow, ...seen });
