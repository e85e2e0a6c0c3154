// painted.js - runs in a page before its own script: when it was usable, and when each machine's row was painted with a
// newer event: painted = [[machine, the event's time, the time of the frame after which it is seen], ..], ms since 1970.
window.painted = [];
addEventListener("DOMContentLoaded", () => {
	const shown = new Map();
	const afterFrame = (then) => requestAnimationFrame(() => {
		const channel = new MessageChannel();
		channel.port1.onmessage = then;
		channel.port2.postMessage(0);
	});
	afterFrame(() => (window.usableMs = performance.now()));
	const look = (times) => {
		const changed = [];
		for (const time of times) {
			const row = time.closest("tr"), at = Date.parse(time.dateTime), box = row?.getBoundingClientRect();
			if (!row || at === shown.get(row.dataset.machine) || box.bottom <= 0 || box.top >= innerHeight) continue;
			shown.set(row.dataset.machine, at);
			changed.push([row.dataset.machine, at]);
		}
		if (changed.length) afterFrame(() => changed.forEach(([machine, at]) => window.painted.push([machine, at, Date.now()])));
	};
	const times = "[data-part=event_at] time";
	const below = (node) => (node.nodeType !== Node.ELEMENT_NODE ? [] : node.matches(times) ? [node] : [...node.querySelectorAll(times)]);
	look(below(document.querySelector("main")));
	new MutationObserver((records) => look(records.flatMap((r) => (r.type === "attributes" ? below(r.target) : [...r.addedNodes].flatMap(below)))))
		.observe(document.querySelector("main"), { subtree: true, childList: true, attributeFilter: ["datetime"] });
});
