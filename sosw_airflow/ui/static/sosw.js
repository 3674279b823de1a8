// Refreshes what is visible, keeps scroll and focus, follows Airflow's dark mode and its time zone. The page works
// without it.
"use strict";

const parentRoot = (() => {
  try {
    return window.parent === window ? null : window.parent.document.documentElement;
  } catch {
    return null; // a frame of another origin
  }
})();

function followTheme() {
  if (parentRoot) {
    document.documentElement.dataset.theme = parentRoot.classList.contains("dark") ? "dark" : "light";
  }
}

function timeZone() {
  try {
    for (const key of ["timezone", "selected-timezone", "chosen-timezone"]) {
      const stored = localStorage.getItem(key);
      if (stored) {
        const name = stored.startsWith('"') ? JSON.parse(stored) : stored;
        new Intl.DateTimeFormat("sv-SE", { timeZone: name });
        return name;
      }
    }
  } catch {
    // no storage, or a name that this browser does not know
  }
  return "UTC";
}

function showTimes(root) {
  const zone = timeZone();
  const format = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium", timeZone: zone });
  for (const each of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(each.dateTime);
    if (!Number.isNaN(moment.getTime())) {
      each.textContent = `${format.format(moment)} ${zone}`;
    }
  }
}

// Replaces the content of the live part, but for what is open in it. False: the text is no page of sosw.
function take(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  const now = document.querySelector("[data-live]");
  const next = fresh.querySelector("[data-live]");
  if (!now || !next) return false;
  showTimes(next);
  for (const each of now.querySelectorAll("details[open][id]")) {
    next.querySelector(`#${CSS.escape(each.id)}`)?.setAttribute("open", "");
  }
  document.body.dataset.refresh = fresh.body.dataset.refresh;
  if (now.innerHTML === next.innerHTML) return true;
  const links = (root) => [...root.querySelectorAll("a[href], summary, input, button, [tabindex='0']")];
  const focused = links(now).indexOf(document.activeElement);
  for (const each of now.querySelectorAll("input[id]")) {
    const same = next.querySelector(`#${CSS.escape(each.id)}`);
    if (same) same.value = each.value;
  }
  const scrolled = [...now.querySelectorAll(".wide")].map((each) => each.scrollLeft);
  now.replaceChildren(...next.childNodes);
  [...now.querySelectorAll(".wide")].forEach((each, index) => (each.scrollLeft = scrolled[index] ?? 0));
  links(now)[focused]?.focus({ preventScroll: true });
  return true;
}

// Why the page is not fresh; empty if it is. Who has been signed out gets Airflow's login instead of the page.
async function problemOfRefresh() {
  try {
    const options = { credentials: "same-origin", signal: AbortSignal.timeout?.(30000) };
    const answer = await fetch(location.href, options);
    if (answer.status === 401 || (answer.ok && !take(await answer.text()))) return "Signed out. Refresh to sign in.";
    return answer.ok ? "" : `Not refreshed: Airflow answers ${answer.status}.`;
  } catch {
    return "Not refreshed: Airflow does not answer.";
  }
}

async function refresh() {
  const problem = await problemOfRefresh();
  const place = document.querySelector("[data-problem]");
  if (place.textContent !== problem) place.textContent = problem;
  schedule();
}

function schedule() {
  const seconds = Number(document.body.dataset.refresh);
  if (seconds > 0) {
    setTimeout(() => (document.visibilityState === "visible" ? refresh() : schedule()), 1000 * seconds);
  }
}

// Airflow's frame is sandboxed, so that no link leads out of it: one of Airflow's own document does.
function leaveFrame(event) {
  const link = event.target.closest("a[target]");
  if (!link) return;
  event.preventDefault();
  const outside = parentRoot.ownerDocument.createElement("a");
  Object.assign(outside, { href: link.href, target: link.target, rel: link.rel });
  parentRoot.ownerDocument.body.append(outside);
  outside.click();
  outside.remove();
}

followTheme();
if (parentRoot) {
  document.addEventListener("click", leaveFrame);
  document.querySelector("[data-outside]")?.remove(); // Airflow is around the page
  new MutationObserver(followTheme).observe(parentRoot, { attributes: true, attributeFilter: ["class"] });
}
showTimes(document);
schedule();
