// Which view is open, who looks, and what the header says.

import { element, say } from "./figures.js";
import { overview, remember } from "./overview.js";
import { room } from "./room.js";
import { rooms } from "./rooms.js";
import { act, live, session, signIn } from "./server.js";

const at = (id) => document.getElementById(id);
const [root, state, views, acts, notice, dialog] = ["view", "state", "views", "acts", "notice", "ask"].map(at);

let viewer = null;
let view = null;
let endStream = () => {};
let isDraining = false;

function tell(text, isGood = false) {
  say(notice, text);
  notice.className = isGood ? "notice good" : "notice";
}

/** Asks whether something is to be done. */
function confirm(title, text, button) {
  say(dialog.querySelector("h2"), title);
  say(dialog.querySelector("p"), text);
  say(dialog.querySelector("button.danger"), button);
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

async function done(path, body, text) {
  try {
    await act(path, body);
    tell(text, true);
    setTimeout(() => notice.textContent === text && tell(""), 4000);
  } catch (error) {
    tell(`That was not done: ${error.message}.`);
    if (error.status === 401) begin();
  }
}

const handlers = { may: () => viewer.may_act, confirm, act: done };

function show() {
  view?.end();
  endStream();
  root.replaceChildren();
  const [, kind, id] = location.hash.split("/");
  if (kind === "rooms" && id) view = room(root, decodeURIComponent(id), handlers);
  else if (kind === "rooms") view = rooms(root, listen);
  else view = overview(root);
  for (const link of views.children) {
    link.classList.toggle("here", (kind === "rooms") === link.hash.includes("rooms"));
  }
  listen();
}

/** Opens a stream of what the view shows. */
function listen() {
  endStream();
  endStream = live(view.query, {
    overview(seen) {
      header(seen);
      remember(seen);
      view.overview?.(seen);
    },
    rooms: (seen) => view.rooms?.(seen),
    room: (seen) => view.room?.(seen),
    gone: () => view.gone?.(),
    silent: (shard) => tell(`Shard ${shard} did not answer.`),
    async lost(isOver) {
      say(state, "no connection");
      state.className = "pill bad";
      // The server may have ended it, or have said that one has to sign in again.
      if (isOver) setTimeout(begin, 2000);
    },
  });
}

function header(seen) {
  say(state, seen.state);
  state.className = `pill ${seen.state === "serving" ? "good" : "warn"}`;
  isDraining = seen.state === "draining";
  const level = at("level");
  if (level && document.activeElement !== level) {
    level.hidden = seen.log_level == null;
    // A filter of more than one level is shown as it is.
    if (![...level.options].some((option) => option.value === seen.log_level)) {
      level.options[0].value = seen.log_level ?? "";
      say(level.options[0], seen.log_level ?? "");
    }
    level.value = seen.log_level ?? "";
    level.options[0].hidden = level.selectedIndex !== 0;
  }
  const button = at("drain");
  if (button) {
    say(button, isDraining ? "Stop draining" : "Drain");
    button.disabled = seen.state === "stopping";
  }
}

async function toggleDrain() {
  if (isDraining) {
    if (await confirm("Stop draining?", "The server takes players in again.", "Stop draining")) {
      done("undrain", {}, "The server takes players in again.");
    }
    return;
  }
  const text = "Nobody new is taken in, no room is made, and whoever loses the connection cannot come back. "
    + "Games go on, and nobody is closed. It can be taken back.";
  if (await confirm("Drain this server?", text, "Drain")) done("drain", {}, "The server drains.");
}

async function changeLevel(event) {
  const level = event.target.value;
  event.target.blur();
  const text = "It holds until the next restart. At debug every connection leaves lines, at trace every message may.";
  if (await confirm(`Log at ${level}?`, text, "Change")) done("log-level", { level }, `The log is at ${level}.`);
}

async function signOut() {
  await act("sign-out").catch(() => {});
  begin();
}

function signInForm() {
  const token = element("input", { type: "password", name: "token", autocomplete: "current-password", required: true });
  const form = element("form", { class: "sign card" },
    element("h2", {}, "Sign in"),
    element("label", {}, "The token of control.admin_token", token),
    element("button", { class: "main" }, "Sign in"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await signIn(token.value);
      tell("");
      begin();
    } catch (error) {
      token.value = "";
      tell(`${error.message[0].toUpperCase()}${error.message.slice(1)}.`);
    }
  });
  root.replaceChildren(form);
  token.focus();
}

async function begin() {
  endStream();
  view?.end();
  view = null;
  try {
    viewer = await session();
  } catch (error) {
    say(state, "no connection");
    state.className = "pill bad";
    if (error.status) tell(error.message);
    setTimeout(begin, 2000);
    return;
  }
  views.hidden = !viewer.may_look;
  acts.replaceChildren();
  if (!viewer.may_look) {
    say(state, "signed out");
    state.className = "pill";
    signInForm();
    return;
  }
  if (viewer.may_act) {
    const levels = ["", "error", "warn", "info", "debug", "trace"].map((level) => element("option", { value: level }, level));
    acts.append(
      element("label", { class: "wide" }, "Log ", element("select", { id: "level", onchange: changeLevel, hidden: true }, ...levels)),
      element("button", { type: "button", id: "drain", class: "danger", onclick: toggleDrain }, "Drain"),
      element("button", { type: "button", onclick: signOut }, "Sign out"),
    );
  } else acts.append("read only");
  show();
}

addEventListener("hashchange", () => view && show());
// A page that nobody sees asks for nothing.
document.addEventListener("visibilitychange", () => {
  if (!view) return;
  if (document.hidden) endStream();
  else listen();
});
begin();
