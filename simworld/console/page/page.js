"use strict";
/* The page of questions. What is shown comes from the stream /events; what is done goes to /questions/ID/VERB. */

const SOON = 10; // seconds before the end that are announced
const HOLD = 8000; // milliseconds between signs that whoever took a question up is still there
const SVG = "http://www.w3.org/2000/svg";

const title = document.title;
const seats = new Set(); // whose questions were answered here: their next ones are taken up by themselves
let known = new Set(); // questions that were announced
let view = null;
let ahead = 0; // seconds by which the server's clock is ahead of this one
let shown = null; // the question whose form is on the page
let busy = false; // a question is being taken, sent or given back
let warned = false;
let painted = "";
let sent = 0; // how often something was sent

const at = (id) => document.getElementById(id);

function make(name, attributes = {}, ...children) {
  const svg = ["svg", "polyline", "rect", "circle", "line"].includes(name);
  const element = svg ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

function say(text) {
  at("say").textContent = text;
}

function warn(text) {
  at("warn").textContent = text;
  setTimeout(() => { if (at("warn").textContent === text) at("warn").textContent = ""; }, 6000);
}

async function send(id, verb, what = null) {
  sent += 1;
  const options = { method: "POST", headers: { "Content-Type": "application/json" } };
  if (what !== null) options.body = JSON.stringify(what);
  try {
    const response = await fetch(`/questions/${encodeURIComponent(id)}/${verb}`, options);
    const told = await response.json();
    return { status: response.status, error: told.error || "" };
  } catch {
    return { status: 0, error: "the page cannot be reached; it is tried again" };
  }
}

// -- the stream -------------------------------------------------------------------------------------------------------

const stream = new EventSource("/events");
stream.onmessage = (event) => {
  const told = JSON.parse(event.data);
  ahead = told.now - Date.now() / 1000;
  update(told.view);
};
stream.onerror = () => {
  at("run").textContent = stream.readyState === EventSource.CLOSED ? "this page is over; load it again" : "connecting ...";
};

function update(now) {
  view = now;
  const run = now.run;
  const state = `${run.state}: ${run.done} of ${run.episodes} episode${run.episodes === 1 ? "" : "s"} done`;
  if (at("run").textContent !== state) at("run").textContent = state;
  at("count").textContent = now.you.answered ? `, ${now.you.answered} answered` : "";
  const fresh = now.questions.filter((one) => !known.has(one.id) && one.held === "");
  known = new Set(now.questions.map((one) => one.id));
  if (!busy) follow();
  others();
  if (fresh.length && shown === null) say(`${fresh[0].who} asks: ${fresh[0].question}`);
  const open = now.questions.filter((one) => one.held !== "other").length;
  document.title = open ? `(${open}) ${title}` : title;
  society();
}

function follow() {
  const mine = view.questions.find((one) => one.held === "you");
  if (shown !== null && (!mine || mine.id !== shown.id)) {
    const there = view.questions.find((one) => one.id === shown.id);
    if (there && there.held === "") return again();
    if (!there) warn("This question is closed: its time is over, or it was answered.");
    else if (there.held === "other") warn("Somebody else has taken this question.");
    shown = null;
  }
  if (mine && shown === null) form(mine);
  else if (shown === null) {
    const next = view.questions.find((one) => one.held === "" && seats.has(one.seat));
    if (next) take(next.id);
    else idle();
  }
}

/* The page was not heard of for too long, and nobody else has taken the question meanwhile: what is typed stays. */
async function again() {
  if (document.visibilityState !== "visible") return;
  busy = true;
  await send(shown.id, "take");
  busy = false;
}

// -- questions --------------------------------------------------------------------------------------------------------

async function take(id) {
  if (busy) return;
  busy = true;
  const told = await send(id, "take");
  busy = false;
  const one = view.questions.find((other) => other.id === id);
  if (told.status !== 200) warn(told.error);
  else if (one) { one.held = "you"; form(one); others(); }
}

async function letGo() {
  if (shown === null || busy) return;
  busy = true;
  seats.delete(shown.seat);
  const one = shown;
  await send(one.id, "let-go");
  one.held = "";
  shown = null;
  busy = false;
  say("You gave the question back.");
  idle();
}

async function answer(event) {
  event.preventDefault();
  if (shown === null || busy) return;
  const one = shown, what = { reason: at("reason").value };
  if (one.form === "options") {
    const chosen = document.querySelector("input[name=option]:checked");
    if (!chosen) return wrong("Choose one of the options.");
    what.option = Number(chosen.value);
  } else what.text = at("text").value;
  busy = true;
  at("send").disabled = true;
  const told = await send(one.id, "answer", what);
  busy = false;
  if (told.status === 200) {
    seats.add(one.seat);
    view.questions = view.questions.filter((other) => other.id !== one.id);
    shown = null;
    say("Sent.");
    follow();
    others();
  } else {
    at("send").disabled = false;
    if (told.status === 422 || told.status === 0) wrong(told.error);
    else { warn(told.error); shown = null; idle(); }
  }
}

function wrong(text) {
  at("error").textContent = "";
  at("error").textContent = text;
  const field = at("text") || document.querySelector("input[name=option]");
  if (field) field.focus();
}

function idle() {
  const free = view.questions.filter((one) => one.held === "");
  const over = !["going on", "paused", "stopping"].includes(view.run.state);
  const words = over ? "The run is not going on: nothing is asked."
    : view.questions.length ? "Others are answering what is open." : "Nothing is asked just now. The society goes on.";
  const held = at("asked"), key = free.length ? free[0].id : words;
  if (held.dataset.idle === key) return;
  const focused = held.contains(document.activeElement) || document.activeElement === document.body;
  held.dataset.idle = key;
  if (!free.length) {
    held.replaceChildren(make("div", { class: "card" }, make("p", {}, words)));
    return;
  }
  const button = make("button", { type: "button", class: "main", id: "next" }, "Answer this question");
  button.addEventListener("click", () => take(free[0].id));
  held.replaceChildren(make("div", { class: "card" }, asks(free[0]), make("h2", {}, free[0].question), button));
  if (focused) button.focus();
}

function asks(one) {
  const more = [one.person, one.where].filter(Boolean).join(", ");
  return make("p", { class: "asks" }, `${one.who} asks${more ? ` (${more})` : ""}`);
}

function form(one) {
  shown = one;
  warned = false;
  const held = at("asked");
  delete held.dataset.idle;
  const facts = make("dl");
  for (const [name, value] of one.context) facts.append(make("dt", {}, name.replaceAll("_", " ")), make("dd", {}, value));
  const made = make("form", { class: "card", id: "form", autocomplete: "off" }, asks(one));
  if (one.closes !== null) made.append(make("p", { class: "clock", id: "clock" }));
  if (one.cost !== null) made.append(make("p", { class: "quiet" }, `An answer costs ${one.cost}.`));
  if (one.context.length) made.append(facts);
  made.append(one.form === "options" ? options(one) : typed(one));
  const back = make("button", { type: "button" }, "Give back");
  back.addEventListener("click", letGo);
  made.append(
    make("label", { class: "own", for: "reason" }, "Why? (you need not say)"),
    make("textarea", { id: "reason", maxlength: 10000 }),
    make("p", { class: "error", id: "error", role: "alert" }),
    make("div", { class: "choice" }, make("button", { class: "main", id: "send", type: "submit" }, "Send"), back),
  );
  made.addEventListener("submit", answer);
  held.replaceChildren(made);
  clock();
  (at("text") || made.querySelector("input[name=option]")).focus();
}

function options(one) {
  const set = make("fieldset", {}, make("legend", {}, one.question));
  one.options.forEach((words, place) => {
    const option = make("label", { class: "option" }, make("input", { type: "radio", name: "option", value: place }));
    if (place < 9) option.append(make("kbd", { "aria-hidden": "true" }, String(place + 1)));
    option.append(make("span", {}, words));
    set.append(option);
  });
  return set;
}

function typed(one) {
  const mode = one.form === "text" ? "text" : one.form === "whole" ? "numeric" : "decimal";
  const field = make("input", { type: "text", id: "text", inputmode: mode, "aria-describedby": "accepted error" });
  const hint = one.accepted || "in your own words";
  return make("div", {}, make("h2", {}, make("label", { for: "text" }, one.question)), field,
    make("p", { class: "quiet", id: "accepted" }, hint));
}

function others() {
  const list = at("others");
  const rest = view.questions.filter((one) => one.held !== "you" && !(shown === null && one.held === "" && at("next")
    && at("asked").dataset.idle === one.id));
  const key = JSON.stringify(rest.map((one) => [one.id, one.held, shown !== null]));
  at("others-title").hidden = !rest.length;
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  list.replaceChildren(...rest.map((one) => {
    const button = make("button", { type: "button", disabled: one.held === "other" },
      one.held === "other" ? "Taken" : "Answer");
    button.setAttribute("aria-label", `${button.textContent}: ${one.who}`);
    button.addEventListener("click", () => { shown = null; take(one.id); });
    return make("li", {}, make("span", {}, `${one.who}: ${one.question}`), button);
  }));
}

// -- time and keys ----------------------------------------------------------------------------------------------------

function clock() {
  const held = at("clock");
  if (!held || shown === null || shown.closes === null) return;
  const left = Math.max(0, shown.closes - Date.now() / 1000 - ahead);
  const words = left >= 90 ? `${Math.ceil(left / 60)} minutes left` : `${Math.ceil(left)} s left, then a fallback stands in`;
  if (held.textContent !== words) held.textContent = words;
  held.classList.toggle("soon", left <= SOON);
  if (left <= SOON && !warned) { warned = true; say(`${Math.ceil(left)} seconds left`); }
}

setInterval(clock, 250);
setInterval(() => {
  if (shown !== null && !busy && document.visibilityState === "visible") send(shown.id, "take");
}, HOLD);

document.addEventListener("keydown", (event) => {
  if (at("farewell").open || event.metaKey || event.altKey) return;
  const where = event.target, writing = where.matches("textarea, input[type=text]");
  if (event.key === "Escape") letGo();
  else if (event.key === "Enter" && event.ctrlKey && at("form")) at("form").requestSubmit();
  else if (event.key === "Enter" && at("form") && !where.matches("button, a, textarea, input")) at("form").requestSubmit();
  else if (!writing && !event.ctrlKey && /^[1-9]$/.test(event.key) && shown !== null && shown.form === "options") {
    const option = document.querySelectorAll("input[name=option]")[Number(event.key) - 1];
    if (option) { option.checked = true; option.focus(); event.preventDefault(); }
  }
});

at("leave").addEventListener("click", () => at("farewell").showModal());
at("stay").addEventListener("click", () => at("farewell").close());

// -- the society ------------------------------------------------------------------------------------------------------

function society() {
  const held = at("society");
  if (!held || !view.society) return;
  const text = JSON.stringify(view.society);
  if (text === painted) return;
  painted = text;
  const now = view.society;
  const which = view.run.episodes > 1 ? `episode ${now.episode}, ` : "";
  at("where").textContent = `${which}tick ${now.tick} of ${now.of}`;
  held.replaceChildren(...now.panels.filter((one) => one.kind === "map").map(map), rows("Measures", now.measures),
    ...now.panels.filter((one) => one.kind !== "map").map(panel));
}

function panel(one) {
  if (one.kind === "lines") return rows(one.title, one.rows);
  const held = make("div", {}, make("h2", {}, one.title));
  if (one.kind === "said") {
    for (const row of one.rows) held.append(make("blockquote", {}, make("strong", {}, `${row.name}: `), row.text));
  } else if (one.kind === "bars") {
    held.append(table(one.rows, (row) => {
      const drawn = make("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
      drawn.append(make("rect", { x: 0, y: 2, height: 6, width: 100 * row.share }));
      return drawn;
    }));
  } else {
    const most = Math.max(...one.counts), wide = 100 / one.counts.length;
    const drawn = make("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
    one.counts.forEach((count, place) => {
      drawn.append(make("rect", { x: place * wide, width: wide * 0.9, y: 10 - 10 * count / most, height: 10 * count / most }));
    });
    held.append(drawn, make("p", { class: "legend" }, `from ${one.low} to ${one.high} and more`));
  }
  return held;
}

function rows(name, found) {
  if (!found.length) return make("div");
  return make("div", {}, make("h2", {}, name), table(found, (row) => sparkline(row.series)));
}

function table(found, draw) {
  const body = make("tbody");
  for (const row of found) {
    body.append(make("tr", {}, make("th", { scope: "row" }, row.name), make("td", { class: "line" }, draw(row)),
      make("td", {}, row.last)));
  }
  return make("table", {}, body);
}

function sparkline(values) {
  const low = Math.min(...values), span = Math.max(...values) - low || 1;
  const points = values.map((value, place) =>
    `${100 * place / Math.max(1, values.length - 1)},${9.5 - 9 * (value - low) / span}`);
  if (points.length === 1) points.push(points[0].replace(/^0/, "100"));
  const drawn = make("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
  drawn.append(make("polyline", { points: points.join(" ") }));
  return drawn;
}

function map(one) {
  const wide = Math.max(one.high[0] - one.low[0], 1e-6), high = Math.max(one.high[1] - one.low[1], 1e-6);
  const span = Math.max(wide, high), edge = 0.04 * span, dot = 0.014 * span;
  const box = [one.low[0] - edge, -one.high[1] - edge, wide + 2 * edge, high + 2 * edge];
  const words = one.tracks.map((track) => `${track.now.length} ${track.name}`).join(", ");
  const drawn = make("svg", { class: "map", viewBox: box.join(" "), role: "img", "aria-label": `where they are: ${words}` });
  for (const [x1, y1, x2, y2] of one.lines) drawn.append(make("line", { x1, y1: -y1, x2, y2: -y2 }));
  const legend = make("p", { class: "legend" });
  one.tracks.forEach((track, place) => {
    for (const [x, y] of track.before) {
      drawn.append(make("circle", { cx: x, cy: -y, r: dot / 3, class: `track${place % 4}`, opacity: 0.45 }));
    }
    for (const [x, y] of track.now) drawn.append(make("circle", { cx: x, cy: -y, r: dot, class: `track${place % 4}` }));
    legend.append(make("span", { class: `track${place % 4}`, "aria-hidden": "true" }, "● "), `${track.name}  `);
  });
  return make("div", {}, make("h2", {}, one.title), drawn, legend);
}
