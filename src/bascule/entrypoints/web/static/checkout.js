// Keeps the checkout true: listens to the stream, polls when there is none, and copies on request.
const root = document.getElementById("checkout");
const stale = document.querySelector("[data-stale]");
const POLL_MS = 4000;
const ONWARD_MS = 3000; // long enough to read that it is paid

function wire() {
  for (const button of root.querySelectorAll("[data-copy]")) {
    button.hidden = !navigator.clipboard;
    button.onclick = async () => {
      const label = button.textContent;
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = label; }, 1500);
    };
  }
}

// Where the keyboard is, as a way to find that place again among the new parts; nothing when it is elsewhere.
function focused() {
  const part = document.activeElement.closest?.("[data-live]");
  if (!part) return null;
  const at = [...part.querySelectorAll("a, button")].indexOf(document.activeElement);
  return () => part.querySelectorAll("a, button")[at] ?? root.closest("main");
}

async function refresh() {
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = fresh.getElementById("checkout");
    stale.hidden = true;
    if (next.dataset.revision === root.dataset.revision) return;
    const place = focused();
    for (const part of root.querySelectorAll("[data-live]")) {
      const other = next.querySelector(`[data-live="${part.dataset.live}"]`);
      part.className = other.className;
      part.replaceChildren(...other.childNodes);
    }
    root.dataset.revision = next.dataset.revision;
    root.dataset.final = next.dataset.final;
    document.title = fresh.title;
    wire();
    place?.().focus();
    if (next.dataset.next) setTimeout(() => location.assign(next.dataset.next), ONWARD_MS);
  } catch {
    stale.hidden = false;
  }
}

function listen() {
  if (!window.EventSource) return;
  const stream = new EventSource(root.dataset.stream);
  stream.onmessage = async (event) => {
    if (event.data !== root.dataset.revision) await refresh();
    if (root.dataset.final === "yes") stream.close();
  };
}

async function poll() {
  if (root.dataset.final !== "yes") {
    if (document.visibilityState === "visible") await refresh();
    setTimeout(poll, POLL_MS);
  }
}

wire();
if (root.dataset.final !== "yes") {
  listen();
  setTimeout(poll, POLL_MS);
}
