// A room as it goes on: what is said comes by itself, Enter sends, the log stays at its end while one reads there.
import { $, csrfToken } from "./dom.js";

const log = $("[data-chat]");
const form = $("[data-chat-form]");
let source = null;
let fetching = false;
let again = false;

const room = () => Number(log.dataset.chat);
const last = () => Number(log.dataset.last);
const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 80;
const toEnd = () => (log.scrollTop = log.scrollHeight);

function take(html) {
  const stayed = atEnd();
  const held = document.createElement("template");
  held.innerHTML = html;
  for (const line of held.content.querySelectorAll("[data-message]")) {
    const number = Number(line.dataset.message);
    if (document.getElementById(line.id)) continue;
    $("#chat-lines").append(line);
    if (number > last()) log.dataset.last = number;
  }
  $(".chat-empty", log)?.remove();
  if (stayed) toEnd();
}

const headers = (target) => ({ "HX-Request": "true", "HX-Target": target, "X-CSRF-Token": csrfToken() });

async function fetchNews() {
  if (fetching) return void (again = true);
  fetching = true;
  try {
    const answer = await fetch(`/chat/${room()}?after=${last()}`, { headers: headers("news") });
    if (answer.ok) take(await answer.text());
  } catch {
    // The stream comes back by itself, and tells again.
  } finally {
    fetching = false;
  }
  if (again) {
    again = false;
    fetchNews();
  }
}

async function send() {
  const field = $("textarea", form);
  const content = field.value;
  if (!content.trim()) return;
  field.disabled = true;
  try {
    const answer = await fetch(`/chat/${room()}?after=${last()}`, {
      method: "POST",
      headers: headers("news"),
      body: new URLSearchParams({ content }),
    });
    const html = await answer.text();
    if (answer.ok) {
      field.value = "";
      $("#chat-trouble").replaceChildren();
      take(html);
      toEnd();
    } else {
      $("#chat-trouble").innerHTML = html;
    }
  } catch {
    $("#chat-trouble").textContent = "It could not be sent; are you connected?";
  } finally {
    field.disabled = false;
    field.focus();
  }
}

function told(event) {
  const { id, roomId } = JSON.parse(event.data);
  if (log && roomId === room()) {
    if (id > last()) fetchNews();
    return;
  }
  const side = $(`[data-room="${roomId}"] .chat-room-side`);
  if (!side) return;
  let mark = $(".chat-unread", side);
  if (!mark) {
    mark = document.createElement("span");
    mark.className = "chat-unread";
    mark.textContent = "0";
    side.append(mark);
  }
  mark.firstChild.textContent = Number.parseInt(mark.textContent, 10) + 1;
}

function open() {
  if (source || document.hidden) return;
  source = new EventSource(`/api/live/chat?after=${log ? last() : 0}`);
  source.addEventListener("message", told);
  if (log) fetchNews();
}

function close() {
  source?.close();
  source = null;
}

if (form) {
  toEnd();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  });
}
document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
addEventListener("pagehide", close);
addEventListener("pageshow", open);
open();
