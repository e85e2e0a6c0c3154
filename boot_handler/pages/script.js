// Keeps a page up to date while it is looked at. Everything works without it.
//
// Events come by one stream for all windows of a browser: who has the lock reads it and tells the
// others, and who opens asks where it stands. Whoever hears of something that matters here fetches: of
// /machines what has changed of its rows, and what a page marks by data-live as the page has it then.
// While a page is hidden it does nothing.
"use strict";

const EVERY_MS = 1000; // no page asks more often
const ROWS_EVERY_MS = 250; // but that of all machines: events are told every 500 ms
const RETRY_MS = 5000;
const channel = new BroadcastChannel("vmlab-events");
const of = document.querySelector("[data-of]")?.dataset.of;
let heardLast = 0; // the newest event that the stream has come to

// ---- times, in the reader's zone ------------------------------------------------------------------

const when = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

function age(ms) {
	const s = Math.max(0, Math.floor(ms / 1000));
	if (s < 60) return s + " s ago";
	if (s < 3600) return Math.floor(s / 60) + " min ago";
	if (s < 2 * 86400) return Math.floor(s / 3600) + " h ago";
	return Math.floor(s / 86400) + " days ago";
}

function setText(node, text) {
	if (node.textContent !== text) node.textContent = text;
}

function tellTime(node) {
	const at = new Date(node.dateTime);
	if (node.hasAttribute("data-age")) setText(node, age(Date.now() - at));
	if (node.told !== node.dateTime) node.title = when.format(at);
	node.told = node.dateTime;
}

// Of a long table those that are seen: the others when they are.
function tellTimes() {
	for (const part of list ? seenRows() : [document]) part.querySelectorAll("time").forEach(tellTime);
}

// ---- rows of /machines ------------------------------------------------------------------------------

let list = document.getElementById("list"), rows = new Map(), version;
const news = new Map(); // of rows that nobody sees: what they are to show

function takeList() {
	list = document.getElementById("list");
	rows = new Map([...(list?.querySelectorAll("tbody tr") ?? [])].map((row) => [row.dataset.machine, row]));
	version = list?.dataset.version;
	news.clear();
}

// The first row, of those in their order, whose lower edge is below `y`.
function rowAt(all, y) {
	let low = 0, high = all.length;
	while (low < high) {
		const middle = (low + high) >> 1;
		if (all[middle].getBoundingClientRect().bottom <= y) low = middle + 1;
		else high = middle;
	}
	return low;
}

function seenRows() {
	const all = list.querySelector("tbody")?.rows ?? [];
	return [...all].slice(rowAt(all, 0), rowAt(all, innerHeight) + 1);
}

function part(row, name) {
	return row.querySelector(`[data-part="${name}"]`);
}

function setTime(node, at) {
	if (!node || !at) return;
	let time = node.querySelector("time");
	if (!time) {
		time = document.createElement("time");
		time.setAttribute("data-age", "");
		node.append(time);
	}
	time.dateTime = at;
	tellTime(time);
}

function setProgress(row, percent) {
	let bar = part(row, "percent");
	if (percent < 0) return bar?.remove();
	if (!bar) {
		bar = document.createElement("progress");
		bar.max = 100;
		bar.dataset.part = "percent";
		bar.setAttribute("aria-label", "installed");
		part(row, "says").after(bar);
	}
	bar.value = percent;
}

function setEvent(node, text) {
	if (!node || node.textContent === text) return;
	node.textContent = text;
	node.classList.remove("fresh");
	requestAnimationFrame(() => node.classList.add("fresh"));
}

function setRow(row, values) {
	for (const [name, value] of Object.entries(values)) {
		if (name === "percent") setProgress(row, value);
		else if (name === "event") setEvent(part(row, name), value);
		else if (name === "event_at" || name === "seen") setTime(part(row, name), value);
		else if (name !== "id") setText(part(row, name), value ?? "");
	}
}

function setSeen() {
	if (news.size === 0) return;
	for (const row of seenRows()) {
		const values = news.get(row.dataset.machine);
		if (values) setRow(row, values);
		news.delete(row.dataset.machine);
	}
}

// False: there is one that we never had.
function arrange(order) {
	const body = list.querySelector("tbody"), wanted = new Set(order);
	for (const [id, row] of rows)
		if (!wanted.has(id)) {
			row.remove();
			rows.delete(id);
			news.delete(id);
		}
	let at = body.firstElementChild;
	for (const id of order) {
		const row = rows.get(id);
		if (!row) return false;
		if (row === at) at = at.nextElementSibling;
		else body.insertBefore(row, at);
	}
	return true;
}

// Out of the table at once, so that arrange() moves no others.
function formRows(formed) {
	const made = document.createElement("template");
	made.innerHTML = formed.map((machine) => machine.html).join("");
	const focused = list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
	for (const row of [...made.content.children]) {
		rows.get(row.dataset.machine)?.remove();
		rows.set(row.dataset.machine, row);
		news.delete(row.dataset.machine);
	}
	return focused;
}

function showCounts(html) {
	const counts = document.getElementById("counts"), made = document.createElement("template");
	made.innerHTML = html;
	if (made.innerHTML !== counts.outerHTML) takeOver(counts, made.content.firstElementChild);
}

async function updateRows() {
	const query = new URLSearchParams(location.search);
	query.set("after", version);
	query.set("heard", heardLast);
	const answer = await fetch("/machines.json?" + query);
	if (!answer.ok) return refused(answer);
	const now = await answer.json();
	if (now.order && now.order.length > 0 !== Boolean(list.querySelector("tbody"))) return updateList();
	const focused = formRows(now.rows.filter((machine) => machine.html));
	for (const machine of now.rows)
		if (!machine.html) news.set(machine.id, Object.assign(news.get(machine.id) ?? {}, machine));
	if (now.order && !arrange(now.order)) return updateList();
	if (focused) list.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
	version = now.version;
	showCounts(now.counts);
	setSeen();
}

// As the page has it now: it was empty or becomes so, or some of its rows were missed.
async function updateList() {
	const why = await updateParts(["list"]);
	takeList();
	return why;
}

if (list) addEventListener("scroll", () => requestAnimationFrame(setSeen), { passive: true });

// ---- parts of any page ------------------------------------------------------------------------------

function isBusy(node) {
	return node.contains(document.activeElement) && document.activeElement.matches("input, textarea, select");
}

function takeOver(old, now) {
	const open = [...old.querySelectorAll("details")].map((d) => d.open);
	now.querySelectorAll("details").forEach((d, i) => (d.open = open[i] ?? false));
	const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
	old.replaceWith(now);
	if (focused) now.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
}

async function updateParts(more = []) {
	const answer = await fetch(location.href);
	if (!answer.ok) return refused(answer);
	const page = new DOMParser().parseFromString(await answer.text(), "text/html");
	const ids = [...document.querySelectorAll("[data-live]")].map((node) => node.id);
	for (const id of [...ids, ...more]) {
		const old = document.getElementById(id), now = page.getElementById(id);
		if (old && now && !isBusy(old) && old.innerHTML !== now.innerHTML) takeOver(old, document.importNode(now, true));
	}
	tellTimes();
}

// ---- when to ask ------------------------------------------------------------------------------------

let due = false, asking = false, last = 0;

// Why what is shown may be old.
function refused(answer) {
	return answer.status === 401 ? "The session is over: vmlab dashboard opens the next" : "Not up to date";
}

async function ask() {
	if (asking || document.hidden) return;
	asking = true;
	due = false;
	last = Date.now();
	try {
		trouble = (await (list ? updateRows() : updateParts())) ?? "";
	} catch {
		trouble = "The lab does not answer";
	}
	asking = false;
	tellState();
	if (due) askSoon();
	clearTimeout(again);
	if (trouble) again = setTimeout(askSoon, RETRY_MS);
	else if (document.querySelector("progress, [data-state=installing], [data-goes]")) again = setTimeout(askSoon, EVERY_MS); // bytes and seconds are no events
}

let timer = 0, again = 0;

function askSoon() {
	due = true;
	if (timer || asking || document.hidden) return;
	timer = setTimeout(() => {
		timer = 0;
		ask();
	}, Math.max(0, last + (list ? ROWS_EVERY_MS : EVERY_MS) - Date.now()));
}

// ---- what is told of it in the page's head ----------------------------------------------------------

const told = document.getElementById("live");
const words = { "": "", live: "Live", lost: "Reconnecting …", polled: "Looks every 5 s" };
let following = ""; // how the stream goes; "": not known yet
let trouble = "";

function tellState() {
	setText(told, trouble || words[following]);
	if (told.textContent) told.dataset.current = !trouble && following === "live";
}

// ---- one stream for all windows ---------------------------------------------------------------------

let stream = null, release = null;

// How the stream goes; up to which event; of which machines, or of whichever: an event of another is
// nothing to the page of one.
function heard(news) {
	following = news.following ?? following;
	tellState();
	if (news.last === undefined || (news.again && news.last === heardLast)) return;
	heardLast = news.last;
	if (!of || !news.machines || news.machines.includes(of)) askSoon();
}

function spread(news) {
	channel.postMessage(news);
	heard(news);
}

// From there on it is told, by "hello", or by "gap" where something before is gone: what is shown may be older.
function begun({ lastEventId }) {
	spread({ following: "live", last: Number(lastEventId) });
}

function readStream() {
	stream = new EventSource("/api/v1/stream");
	stream.onmessage = (message) => {
		const { events, last } = JSON.parse(message.data);
		spread({ machines: [...new Set(events.map((event) => event.vm))], last });
	};
	stream.addEventListener("hello", begun);
	stream.addEventListener("gap", begun);
	stream.onerror = () => {
		if (stream.readyState === EventSource.CLOSED) poll();
		else spread({ following: "lost" });
	};
}

// The server refused, as it does when very many read: a look every few seconds instead, and another try.
function poll() {
	spread({ following: "polled" });
	setTimeout(() => {
		if (!stream || stream.readyState !== EventSource.CLOSED) return;
		spread({ last: heardLast });
		readStream();
	}, RETRY_MS);
}

channel.onmessage = ({ data }) => {
	if (!data.asks) heard(data);
	else if (stream && following) channel.postMessage({ following, last: heardLast, again: true });
};

// A window that is hidden hands the stream on to one that is not.
function follow() {
	if (document.hidden || release) return;
	// Over plain HTTP from elsewhere there are no locks: each window reads for itself.
	if (!navigator.locks) {
		release = () => {};
		return readStream();
	}
	const waiting = new AbortController();
	release = () => waiting.abort();
	navigator.locks
		.request("vmlab-events", { signal: waiting.signal }, () => new Promise((done) => {
			release = done;
			readStream();
		}))
		.catch(() => {});
	channel.postMessage({ asks: true });
}

function leave() {
	stream?.close();
	stream = null;
	release?.();
	release = null;
	following = "";
}

document.addEventListener("visibilitychange", () => {
	if (document.hidden) return leave();
	follow();
	askSoon();
});
addEventListener("pagehide", leave);
addEventListener("pageshow", (event) => event.persisted && follow());

// ---- begin ------------------------------------------------------------------------------------------

takeList();
tellTimes();
setInterval(() => document.hidden || tellTimes(), 5000);
follow();
