// Makes a terminal of a console's page. What was printed comes as server-sent events, what is typed goes as
// POST, one after the other. The guest is hostile: nothing that it prints does more than be shown.
"use strict";

const section = document.getElementById("console");
const says = document.getElementById("console-says");
const text = document.getElementById("console-text");
const { api, types, machine } = section.dataset;
const COLUMNS = 80; // what firmware, loaders and systems take a serial console for
const ROWS_MIN = 25;
const PENDING_MAX = 1 << 19; // bytes that the terminal has not drawn yet

// ---- what the page's policy refuses, and xterm.js does --------------------------------------------------
// It makes <style> elements and style attributes. Made as objects (CSSOM) both are allowed: what they say is
// set by a script that the policy has let in, not by markup.

function styleElement() {
	const sheet = new CSSStyleSheet();
	document.adoptedStyleSheets.push(sheet);
	const stand_in = document.createElement("span");
	stand_in.hidden = true;
	Object.defineProperty(stand_in, "textContent", { get: () => "", set: (rules) => sheet.replaceSync(rules) });
	return stand_in;
}

const create = document.createElement.bind(document);
document.createElement = (name, options) => (name === "style" ? styleElement() : create(name, options));
const setAttribute = Element.prototype.setAttribute;
Element.prototype.setAttribute = function (name, value) {
	if (name === "style") this.style.cssText = value;
	else setAttribute.call(this, name, value);
};

// ---- the terminal ------------------------------------------------------------------------------------------

const { Terminal } = await import(section.dataset.xterm);
const alone = new URLSearchParams(location.search).has("alone");
if (alone) document.documentElement.classList.add("alone");
section.hidden = false;
text.remove();

function fontSize() {
	const width = section.clientWidth - 32;
	return Math.max(12, Math.min(18, Math.floor(width / COLUMNS / 0.61)));
}

const terminal = new Terminal({ cols: COLUMNS, rows: ROWS_MIN, scrollback: 5000, fontSize: fontSize(),
	fontFamily: 'ui-monospace, "DejaVu Sans Mono", monospace', cursorBlink: false, disableStdin: types === undefined,
	minimumContrastRatio: 4.5, linkHandler: { activate() {} }, screenReaderMode: true,
	theme: { background: "#12161d", foreground: "#e6eaf0", cursor: "#e6eaf0" } });
terminal.open(document.getElementById("terminal"));
terminal.textarea.setAttribute("aria-label", "Serial console of " + machine);
terminal.textarea.setAttribute("aria-describedby", "console-keys");
// No link, title or clipboard of the guest's.
for (const number of [0, 1, 2, 8, 52]) terminal.parser.registerOscHandler(number, () => true);

// As many rows as there is room for.
function fit() {
	terminal.options.fontSize = fontSize();
	const row = terminal.element.querySelector(".xterm-rows > div")?.getBoundingClientRect().height;
	const room = innerHeight - section.getBoundingClientRect().top - scrollY - (alone ? 80 : 120);
	if (row) terminal.resize(COLUMNS, Math.max(ROWS_MIN, Math.floor(room / row)));
}

new ResizeObserver(fit).observe(section);
addEventListener("resize", fit);

// ---- what is printed -----------------------------------------------------------------------------------------

let stream = null, last = null, pending = 0, refused = false;

function say(what) {
	if (says.textContent !== what) says.textContent = what;
}

function note(what) {
	terminal.write(`\r\n\x1b[0;7m ${what} \x1b[0m\r\n`);
}

function printed({ data, lastEventId }) {
	const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
	last = lastEventId;
	pending += bytes.length;
	terminal.write(bytes, () => {
		pending -= bytes.length;
		if (!stream && pending < PENDING_MAX / 2) follow();
	});
	// More than can be drawn: the server waits, and tells what it left out.
	if (pending > PENDING_MAX) leave();
}

function follow() {
	if (stream || document.hidden || refused) return;
	stream = new EventSource(api + "/stream" + (last === null ? "" : "?after=" + last));
	stream.onmessage = printed;
	stream.onopen = () => say(types === undefined ? "Connected, read only" : "Connected");
	stream.addEventListener("gap", ({ data, lastEventId }) => {
		last = lastEventId;
		note(JSON.parse(data).bytes + " bytes were printed faster than they could be shown");
	});
	stream.addEventListener("begin", ({ lastEventId }) => {
		last = lastEventId;
		terminal.reset();
	});
	stream.onerror = () => {
		say("Reconnecting …");
		// Refused: the server says no more than that to an EventSource. Another try, later.
		if (stream.readyState !== EventSource.CLOSED) return;
		leave();
		say("The console is not to be had now; tries again every 5 s");
		setTimeout(follow, 5000);
	};
}

function leave() {
	stream?.close();
	stream = null;
}

document.addEventListener("visibilitychange", () => (document.hidden ? leave() : follow()));
addEventListener("pagehide", leave);
addEventListener("pageshow", (event) => event.persisted && follow());

// ---- what is typed -----------------------------------------------------------------------------------------

let typed = "", sending = false;

async function send() {
	if (sending || typed === "") return;
	sending = true;
	const keys = typed.slice(0, 2048);
	typed = typed.slice(keys.length);
	try {
		const answer = await fetch(api + "/keys", { method: "POST", headers: { "Content-Type": "application/json" },
			body: JSON.stringify({ keys }) });
		if (!answer.ok) {
			typed = "";
			say("Not typed: " + ((await answer.json().catch(() => ({}))).error ?? "the session is over"));
		} else if (says.textContent.startsWith("Not typed")) say("Connected");
	} catch {
		typed = "";
		say("Not typed: the lab does not answer");
	}
	sending = false;
	send();
}

// xterm.js answers some of what is printed (where the cursor is, what it can do) as if that were typed. Only what
// it says itself to come from the user is: it tells that just before.
const user = terminal._core?.coreService?.onUserInput;
let fromUser = false;
if (types !== undefined && user) {
	user(() => (fromUser = true));
	terminal.onData((data) => {
		if (!fromUser) return;
		fromUser = false;
		typed += data;
		send();
	});
} else {
	terminal.options.disableStdin = true;
}

// ---- the keyboard's way out --------------------------------------------------------------------------------

terminal.attachCustomKeyEventHandler((event) => {
	if (event.key === "Tab" && event.shiftKey) return false;
	if (types === undefined) return false;
	if (event.ctrlKey && !event.altKey && !event.metaKey && (event.key === "]" || event.code === "BracketRight")) {
		if (event.type === "keydown") document.getElementById("console-out").focus();
		event.preventDefault();
		return false;
	}
	return true;
});

document.getElementById("console-out").addEventListener("click", (event) => {
	const { href } = event.currentTarget;
	if (open(href, "vmlab-console-" + machine, "popup,width=900,height=640")) event.preventDefault();
});

follow();
if (alone && types !== undefined) terminal.focus();
