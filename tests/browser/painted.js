// painted.js - runs in a page before its own script: when the page could be used, and what was in sight of its table.
//
// usableMs: since the navigation began, until the rows were painted, the script had run, and a letter typed into the search
// field was painted, too.
// spells = {machine: [[since, until, [[the event's time that it shows, painted at], ..]], ..]}: how long its row was in sight
// without a break (until null: still is), and what it showed then. Looked at after each frame in which something has changed,
// when asking where a row is costs no layout of its own. Times are ms since 1970.
window.spells = {};
addEventListener("DOMContentLoaded", () => {
	const main = document.querySelector("main"), inSight = new Map();
	let soon = false;
	const afterFrame = (then) => requestAnimationFrame(() => {
		const channel = new MessageChannel();
		channel.port1.onmessage = then;
		channel.port2.postMessage(0);
	});
	const type = () => {
		const field = document.querySelector("[name=q]"), before = field.value;
		field.focus();
		document.execCommand("insertText", false, "x");
		if (field.value === before) return;
		afterFrame(() => (window.usableMs = performance.now()));
	};
	const rowAt = (rows, y) => {
		let low = 0, high = rows.length;
		while (low < high) {
			const middle = (low + high) >> 1;
			if (rows[middle].getBoundingClientRect().bottom <= y) low = middle + 1;
			else high = middle;
		}
		return low;
	};
	const look = () => {
		const now = Date.now(), rows = main.querySelector("tbody")?.rows ?? [], seen = new Set();
		soon = false;
		if (document.hidden) return;
		for (let i = rowAt(rows, 0); rows[i]?.getBoundingClientRect().top < innerHeight; i++) {
			const machine = rows[i].dataset.machine, at = Date.parse(rows[i].querySelector("[data-part=event_at] time")?.dateTime);
			seen.add(machine);
			if (!inSight.has(machine)) {
				inSight.set(machine, [now, null, []]);
				(window.spells[machine] ??= []).push(inSight.get(machine));
			}
			const shown = inSight.get(machine)[2];
			if (at && shown.at(-1)?.[0] !== at) shown.push([at, now]);
		}
		for (const [machine, spell] of inSight)
			if (!seen.has(machine)) {
				spell[1] = now;
				inSight.delete(machine);
			}
	};
	const lookSoon = () => {
		if (!soon) afterFrame(look);
		soon = true;
	};
	afterFrame(type);
	lookSoon();
	addEventListener("scroll", lookSoon, { passive: true });
	new MutationObserver(lookSoon).observe(main, { subtree: true, childList: true, attributeFilter: ["datetime"] });
});
