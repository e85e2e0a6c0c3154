// drive.mjs - a browser for the tests: a JSON order a line on stdin, its answer a line on stdout. Each
// order is a function below. Requests to anywhere but the server under test are counted, none is made.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const [modules, chromium, profile, base] = process.argv.slice(2);
const require = createRequire(modules + "/");
const { chromium: launcher } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
	"--disable-background-networking", "--disable-component-update", "--disable-sync", "--user-data-dir=" + profile];
const browser = await launcher.launch({ executablePath: chromium, args: FLAGS.slice(0, -1) });
const sessions = new Map();
let page, seen;

// What is noted of that page, which orders call by this name from now on.
async function keep(name, made, at, alone) {
	const notes = { dialogs: 0, errors: [], elsewhere: [], streamed: [] };
	made.on("dialog", (d) => (notes.dialogs++, d.dismiss()));
	made.on("pageerror", (e) => notes.errors.push(String(e)));
	made.on("console", (m) => m.type() === "error" && notes.errors.push(m.text() + " " + m.location().url));
	made.on("request", (r) => r.url().startsWith(at) || notes.elsewhere.push(r.url()));
	sessions.set(name, { context: made.context(), page: made, notes, at, alone });
}

const orders = {
	// Another browser of its own: {name, js, dark, width, height, at: its server's address}; the one of that name where
	// there is one. With {beside}, another window of the browser of that name.
	async use({ name, beside, js = true, dark = false, width = 1280, height = 800, at = base }) {
		if (!sessions.has(name) && beside) {
			await keep(name, await sessions.get(beside).context.newPage(), sessions.get(beside).at, false);
		} else if (!sessions.has(name)) {
			const context = await browser.newContext({ javaScriptEnabled: js, colorScheme: dark ? "dark" : "light",
				viewport: { width, height }, baseURL: at, reducedMotion: "reduce" });
			await keep(name, await context.newPage(), at, true);
		}
		({ page, notes: seen } = sessions.get(name));
		await page.bringToFront();
	},
	async goto({ path }) {
		const answer = await page.goto(path, { waitUntil: "load", timeout: 30000 });
		return { status: answer.status(), headers: answer.headers(), url: page.url() };
	},
	async click({ on }) { await page.click(on, { timeout: 5000 }); await page.waitForLoadState("load"); return { url: page.url() }; },
	// What is clicked opens a window, which has that name from now on.
	async popup({ on, name }) {
		const [made] = await Promise.all([page.waitForEvent("popup", { timeout: 5000 }), page.click(on, { timeout: 5000 })]);
		await keep(name, made, base, false);
		await made.waitForLoadState("load");
		return { url: made.url() };
	},
	// That window alone, whose browser may have others.
	async shut({ name }) { await sessions.get(name).page.close(); sessions.delete(name); },
	// As a window that is behind others is: the page is told, and asks.
	async hide({ hidden }) {
		await page.evaluate((hidden) => {
			Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
			document.dispatchEvent(new Event("visibilitychange"));
		}, hidden);
	},
	// The messages of its streams of events since this was asked first: [name, id, data].
	async streamed() {
		seen.network ??= await page.context().newCDPSession(page).then(async (made) => {
			const { streamed } = seen;
			made.on("Network.eventSourceMessageReceived", (m) => streamed.push([m.eventName, m.eventId, m.data]));
			return (await made.send("Network.enable"), made);
		});
		return seen.streamed;
	},
	async fill({ on, text }) { await page.fill(on, text, { timeout: 5000 }); },
	async press({ key, times = 1 }) { while (times-- > 0) await page.keyboard.press(key); },
	async size({ width, height }) { await page.setViewportSize({ width, height }); },
	async text({ of = "body" }) { return await page.innerText(of, { timeout: 5000 }); },
	async count({ of }) { return await page.locator(of).count(); },
	async get({ what }) { return await page.evaluate(what); },
	// Not by playwright's own: it evaluates text inside the page, which the page's policy forbids.
	async wait({ until, ms = 10000 }) {
		for (const end = Date.now() + ms; !(await page.evaluate(until).catch(() => false));) {
			if (Date.now() > end) throw new Error("not so within " + ms + " ms: " + until);
			await new Promise((done) => setTimeout(done, 50));
		}
	},
	async cookies() { return await page.context().cookies(); },
	async shot({ file, whole = true }) { await page.screenshot({ path: file, fullPage: whole }); },
	async dark({ on }) { await page.emulateMedia({ colorScheme: on ? "dark" : "light" }); },
	// Of all rules, or of one.
	async axe({ rule }) {
		await page.evaluate(axe);
		const found = await page.evaluate((rule) => window.axe.run(document, { runOnly: rule ? { type: "rule", values: [rule] } : ["wcag2a", "wcag2aa",
			"wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }), rule);
		return { passed: found.passes.length, violations: found.violations.map((v) => ({ id: v.id, help: v.help,
			nodes: v.nodes.slice(0, 5).map((n) => n.html.slice(0, 200) + " " + n.failureSummary) })) };
	},
	async notes() { const now = structuredClone({ ...seen, devtools: undefined, network: undefined }); seen.errors.length = seen.elsewhere.length = 0; return now; },
	// Of what runs before each page's own script, a file; and what its main thread has done since this was asked first, in s.
	async before({ file }) { await page.addInitScript({ path: file }); },
	async metrics() {
		seen.devtools ??= await page.context().newCDPSession(page).then(async (made) => (await made.send("Performance.enable"), made));
		const { metrics } = await seen.devtools.send("Performance.getMetrics");
		return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
	},
	// That window, or the browser with all that are beside it.
	async close({ name }) {
		const gone = sessions.get(name);
		await (gone?.alone ? gone.context : gone?.page)?.close();
		for (const [other, { context }] of sessions) if (other === name || (gone?.alone && context === gone.context)) sessions.delete(other);
	},
};

process.stdout.write(JSON.stringify({ version: browser.version() }) + "\n");
for await (const line of createInterface({ input: process.stdin })) {
	const { order, ...how } = JSON.parse(line);
	try {
		process.stdout.write(JSON.stringify({ value: (await orders[order](how)) ?? null }) + "\n");
	} catch (e) {
		process.stdout.write(JSON.stringify({ error: String(e.message ?? e) }) + "\n");
	}
}
await browser.close();
