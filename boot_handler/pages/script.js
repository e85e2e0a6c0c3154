// Keeps a page up to date while it is looked at. Everything works without it.
//
// Events come by one stream for all windows of a browser: who has the lock reads it and tells the
// others. Whoever hears of something that matters here fetches: rows of /machines as JSON, and what a
// page marks by data-live as the page has it then. While a page is hidden it does nothing.
"use strict";

const EVERY_MS = 1000; // no page asks more often
const told = document.getElementById("live");
const channel = new BroadcastChannel("vmlab-events");
const table = document.getElementById("machines");
const of = document.querySelector("[data-of]")?.dataset.of;

// ---- times, in the reader's zone ------------------------------------------------------------------

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
	node.title = at.toLocaleString();
}

function tellTimes() {
	document.querySelectorAll("time").forEach(tellTime);
}

// ---- rows of /machines ------------------------------------------------------------------------------

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

function setProgress(row, machine) {
	let bar = part(row, "percent");
	if (machine.percent < 0) {
		bar?.remove();
		return;
	}
	if (!bar) {
		bar = document.createElement("progress");
		bar.max = 100;
		bar.dataset.part = "percent";
		bar.setAttribute("aria-label", "installed");
		part(row, "says").after(bar);
	}
	bar.value = machine.percent;
}

// False: it looks otherwise now, as only the page can tell.
function setRow(row, machine) {
	if (row.dataset.state !== machine.state) return false;
	setText(part(row, "says"), machine.says);
	setProgress(row, machine);
	setText(part(row, "detail"), machine.detail ?? "");
	setText(part(row, "ip"), machine.ip);
	const event = part(row, "event");
	if (event && machine.event && event.textContent !== machine.event) {
		event.textContent = machine.event;
		event.classList.remove("fresh");
		void event.offsetWidth;
		event.classList.add("fresh");
	}
	setTime(part(row, "event_at"), machine.event_at);
	setTime(part(row, "seen"), machine.seen);
	return true;
}

async function updateRows() {
	const answer = await fetch("/machines.json" + location.search);
	if (!answer.ok) return refused(answer);
	const { rows } = await answer.json();
	const shown = [...table.tBodies[0].rows];
	const same = rows.length === shown.length && rows.every((machine, i) => shown[i].dataset.machine === machine.id);
	if (!same || !rows.every((machine, i) => setRow(shown[i], machine))) await updateParts(["machines"]);
}

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

function refused(answer) {
	setText(told, answer.status === 401 ? "The session is over: vmlab dashboard opens the next" : "Not up to date");
}

async function ask() {
	if (asking || document.hidden) return;
	asking = true;
	due = false;
	last = Date.now();
	try {
		if (table) await updateRows();
		else await updateParts();
	} catch {
		setText(told, "The lab does not answer");
	}
	asking = false;
	if (due) askSoon();
}

let timer = 0;

function askSoon() {
	due = true;
	if (timer || asking || document.hidden) return;
	timer = setTimeout(() => {
		timer = 0;
		ask();
	}, Math.max(0, last + EVERY_MS - Date.now()));
}

// An event of another machine is nothing to the page of one.
function heard(machines) {
	if (!of || machines.includes(of)) askSoon();
}

function tellState(live) {
	setText(told, live ? "Live" : "Reconnecting …");
	told.dataset.live = live;
	if (live) askSoon();
}

// ---- one stream for all windows ---------------------------------------------------------------------

let stream = null, release = null;

function readStream() {
	stream = new EventSource("/api/v1/stream");
	stream.onmessage = (message) => {
		const machines = JSON.parse(message.data).events.map((event) => event.vm);
		channel.postMessage({ machines });
		heard(machines);
	};
	const all = () => {
		channel.postMessage({ all: true });
		askSoon();
	};
	stream.addEventListener("gap", all);
	stream.onopen = () => {
		channel.postMessage({ live: true });
		tellState(true);
	};
	stream.onerror = () => {
		if (stream.readyState === EventSource.CLOSED) return poll();
		channel.postMessage({ live: false });
		tellState(false);
	};
}

// The server refused, as it does when very many read: a look every few seconds instead, and another try.
function poll() {
	setText(told, "Looks every 5 s");
	setTimeout(() => {
		if (!stream || stream.readyState !== EventSource.CLOSED) return;
		channel.postMessage({ all: true });
		askSoon();
		readStream();
	}, 5000);
}

channel.onmessage = ({ data }) => {
	if (data.live !== undefined) tellState(data.live);
	else if (data.all) askSoon();
	else heard(data.machines);
};

// A window that is hidden hands the stream on to one that is not.
function follow() {
	if (document.hidden || release) return;
	const waiting = new AbortController();
	release = () => waiting.abort();
	navigator.locks
		.request("vmlab-events", { signal: waiting.signal }, () => new Promise((done) => {
			release = done;
			readStream();
		}))
		.catch(() => {});
	// Another window has it and says nothing of itself until something happens.
	setTimeout(() => !stream && told.textContent === "" && setText(told, "Live"), 1500);
}

function leave() {
	stream?.close();
	stream = null;
	release?.();
	release = null;
}

document.addEventListener("visibilitychange", () => {
	if (document.hidden) return leave();
	follow();
	askSoon();
});
addEventListener("pagehide", leave);
addEventListener("pageshow", (event) => event.persisted && follow());

// ---- begin ------------------------------------------------------------------------------------------

tellTimes();
setInterval(() => document.hidden || tellTimes(), 5000);
if (navigator.locks) follow();
else readStream();
