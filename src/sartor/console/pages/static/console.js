// The console's own script. Pages work without it; with it they are live, local and quick.
"use strict";
(() => {
  const first = 250, most = 30000, patience = 1.5;
  const language = navigator.languages && navigator.languages.length ? navigator.languages : undefined;
  const times = new Intl.DateTimeFormat(language, {dateStyle: "medium", timeStyle: "medium"});
  const exactly = new Intl.DateTimeFormat(language, {dateStyle: "full", timeStyle: "long"});

  // Times in the browser's zone, numbers as its language writes them.
  const localize = (root) => {
    for (const one of root.querySelectorAll("time[datetime]")) {
      const at = new Date(one.dateTime);
      if (isNaN(at)) continue;
      one.textContent = times.format(at);
      one.title = exactly.format(at);
    }
    for (const one of root.querySelectorAll("data[value]")) {
      const value = Number(one.value);
      if (one.value.trim() === "" || isNaN(value)) continue;
      const digits = Number.isInteger(value) ? {} : {maximumSignificantDigits: Math.abs(value) < 1000 ? 3 : 6};
      one.textContent = value.toLocaleString(language, digits);
    }
  };

  const copiers = (root) => {
    for (const button of root.querySelectorAll("button[data-copy]")) button.hidden = !navigator.clipboard;
  };

  const ready = (root) => { localize(root); copiers(root); };

  // Parts of a page that are kept as they are on the server: asked for again, less and less often while nothing
  // changes, and not at all while nobody looks.
  const told = document.getElementById("connection");
  const follow = (region) => {
    const every = 1000 * Number(region.dataset.every || 2), once = region.hasAttribute("data-once");
    let wait = every, stamp = "", timer = 0, busy = false, done = false;
    const later = () => { clearTimeout(timer); timer = setTimeout(ask, wait); };
    const ask = async () => {
      if (document.hidden || busy || done) return;
      busy = true;
      try {
        const answer = await fetch(region.dataset.live, {headers: stamp ? {"if-none-match": stamp} : {}, cache: "no-store", credentials: "same-origin", redirect: "error"});
        if (answer.status === 403) { location.reload(); return; }
        if (answer.status === 304) wait = Math.min(wait * patience, most);
        else if (!answer.ok) throw new Error(answer.status);
        else {
          stamp = answer.headers.get("etag") || "";
          show(region, await answer.text());
          wait = every;
          done = once && !region.querySelector("[data-again]");  // costly to find out: it stays as it is
        }
        if (told) told.textContent = "";
      } catch (error) {
        wait = Math.min(wait * 2, most);
        if (told) told.textContent = "The server does not answer; asking again.";
      } finally {
        busy = false;
      }
      if (!done) later();
    };
    document.addEventListener("visibilitychange", () => { if (!document.hidden) { wait = every; ask(); } });
    region.addEventListener("console:again", () => { wait = every; ask(); });
    setTimeout(once ? ask : later, first);
  };

  // Shows the new content of a region; what is typed, opened or focused in it stays as it is.
  const show = (region, text) => {
    const active = document.activeElement;
    if (active && region.contains(active) && active.matches("input, select, textarea")) return;
    const at = active && region.contains(active) ? active.id : "";
    const open = [...region.querySelectorAll("details")].map((one) => one.open);
    region.innerHTML = text;
    [...region.querySelectorAll("details")].forEach((one, place) => { if (open[place]) one.open = true; });
    if (at) { const again = document.getElementById(at); if (again) again.focus(); }
    ready(region);
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const text = button.parentElement.querySelector("code").textContent;
    const word = button.textContent;
    try { await navigator.clipboard.writeText(text); button.textContent = "Copied"; } catch (error) { button.textContent = "Not allowed"; }
    setTimeout(() => { button.textContent = word; }, 1500);
  });

  // A file goes up in slices, each within the largest body that a server takes; then its form goes.
  const sliceBytes = 1500000, tries = 4;
  const send = async (form, file) => {
    const meter = form.querySelector("[data-upload-progress]"), bar = meter.querySelector("progress"), said = meter.querySelector("p");
    const {upload, csrf} = form.elements;
    meter.hidden = false;
    for (let at = 0; at < file.size; at += sliceBytes) {
      const address = `${location.pathname}?action=slice&upload=${upload.value}&at=${at}`;
      const body = file.slice(at, at + sliceBytes), headers = {"x-csrf-token": csrf.value, "content-type": "application/octet-stream"};
      for (let left = tries; ; left -= 1) {
        const answer = await fetch(address, {method: "POST", headers, body, credentials: "same-origin", redirect: "error"}).catch(() => null);
        if (answer && answer.ok) break;
        if (left <= 1 || (answer && answer.status < 500)) throw new Error(answer ? `The server refused it (${answer.status}).` : "The server does not answer.");
        await new Promise((done) => { setTimeout(done, 1000); });
      }
      bar.value = Math.min(at + sliceBytes, file.size) / file.size;
      said.textContent = `${Math.round(100 * bar.value)} %`;
    }
  };
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.hasAttribute("data-upload") || form.dataset.sent || form.dataset.uploaded) return;
    event.preventDefault();
    const file = form.querySelector("input[type=file]").files[0];
    if (!file) return;
    try {
      await send(form, file);
      form.elements.name.value = file.name;
      form.elements.bytes.value = file.size;
      form.dataset.uploaded = "yes";
      delete form.dataset.sent;
      form.requestSubmit();
    } catch (error) {
      delete form.dataset.sent;
      form.querySelector("[data-upload-progress] p").textContent = `Not uploaded. ${error.message}`;
    }
  });

  // A form is sent once, however often its button is pressed; a form that chooses is sent as soon as it is chosen.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
  });
  addEventListener("pageshow", () => { for (const form of document.forms) { delete form.dataset.sent; delete form.dataset.uploaded; } });
  document.addEventListener("change", (event) => {
    const form = event.target.form;
    if (form && form.hasAttribute("data-at-once")) form.requestSubmit();
  });

  // The caret goes where the text of an editor has a fault.
  const faulty = document.querySelector("textarea[data-line]");
  if (faulty) {
    const before = faulty.value.split("\n").slice(0, faulty.dataset.line - 1);
    const at = before.join("\n").length + (before.length ? 1 : 0) + Number(faulty.dataset.column) - 1;
    faulty.focus();
    faulty.setSelectionRange(at, at);
  }

  ready(document);
  for (const region of document.querySelectorAll("[data-live]")) follow(region);
})();
