"use strict";
// Asks the page's own server for what changed. The parts come as HTML from the templates that made the page: everything
// that a user typed is escaped there.
(() => {
  const OPEN = 2000, HIDDEN = 30000, PATIENCE = 2;
  const shown = new Map();
  let timer, failures = 0, last = Date.now();

  function show(now) {
    document.title = now.title;
    for (const [name, html] of Object.entries(now.sections)) {
      if (shown.get(name) !== html) {
        shown.set(name, html);
        replace(document.getElementById(name), html);
      }
    }
    const spoken = document.getElementById("spoken");
    if (spoken.textContent !== now.spoken) spoken.textContent = now.spoken;
  }

  function replace(place, html) {
    // a link that has the focus keeps it
    const focused = place.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    place.innerHTML = html;
    if (focused !== null) for (const link of place.querySelectorAll("a")) {
      if (link.getAttribute("href") === focused) link.focus({ preventScroll: true });
    }
  }

  function connected(well) {
    const away = document.getElementById("away");
    failures = well ? 0 : failures + 1;
    if (well) last = Date.now();
    if (away.hidden === (failures < PATIENCE)) return;
    away.hidden = well;
    const then = new Date(last).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    away.textContent = well ? "" : `As of ${then}: the command that served this page has ended, or the connection is lost. ` +
      "“hpcsim dashboard” serves it again.";
  }

  async function update() {
    clearTimeout(timer);
    try {
      const answer = await fetch("progress.json", { cache: "no-store", signal: AbortSignal.timeout(20000) });
      if (!answer.ok) throw new Error(answer.statusText);
      show(await answer.json());
      connected(true);
    } catch {
      connected(false);
    }
    clearTimeout(timer);
    timer = setTimeout(update, document.hidden ? HIDDEN : OPEN);
  }

  document.addEventListener("visibilitychange", () => { if (!document.hidden) update(); });
  update();
})();
