/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lets speedscope's own importer read a file: the application from its package is opened as its
 * command line tool opens it (#localProfilePath), and what it then shows is read from its page.
 *
 *     node speedscope.mjs FILE
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { finish, open } from './browser.mjs';

const file = process.argv[2];
const folder = mkdtempSync(join(tmpdir(), 'speedscope-'));
const loader = join(folder, 'profile.js');
const release = join(dirname(createRequire(import.meta.url).resolve('speedscope/package.json')),
	'dist', 'release', 'index.html');

writeFileSync(loader, `speedscope.loadFileFromBase64(${JSON.stringify(basename(file))}, ` +
	`${JSON.stringify(readFileSync(file).toString('base64'))})`);

const { browser, page, seen } = await open(release);

await page.goto('about:blank');
await page.goto(`file://${release}#localProfilePath=${loader}`);
await page.getByText('Sandwich').waitFor({ timeout: 20000 });

const title = await page.title();

/* The list of profiles opens by the name in the middle of the toolbar. */
await page.keyboard.press('t');
await page.waitForTimeout(300);
const list = await page.locator('body').innerText();

await page.keyboard.press('Escape');
await page.getByText('Sandwich').click();
await page.waitForTimeout(300);
const sandwich = await page.locator('table').allInnerTexts();

rmSync(folder, { recursive: true });
await finish(browser, { title, list, sandwich, errors: seen.errors });
