// The bell and the chat of the frame: how much is unread while somebody looks; a number that grows is also said.
import { $, announce, make } from "./dom.js";

let source = null;
let before = null;
let chatsBefore = null;

function showChats({ chats, chatsShown }) {
  const link = $("[data-chats]");
  if (!link) return;
  const badge = $(".count-badge", link);
  badge?.remove();
  if (chats) link.append(make("span", { class: "count-badge" }, chatsShown, make("span", { class: "visually-hidden" }, " unread")));
  $("[data-chats-dot]")?.classList.toggle("stirred", chats > 0);
  if (chatsBefore !== null && chats > chatsBefore) announce(chats === 1 ? "Unread chat" : `${chatsShown} unread chats`);
  chatsBefore = chats;
}

function show({ unread, shown }) {
  const bell = $("[data-bell]");
  if (!bell) return;
  const badge = $(".bell-count", bell);
  if (!unread) badge?.remove();
  else if (badge) badge.textContent = shown;
  else bell.append(make("span", { class: "bell-count", "aria-hidden": "true" }, shown));
  bell.setAttribute("aria-label", unread ? `Notifications, ${shown} unread` : "Notifications");
  if (before !== null && unread > before) announce(`${shown} unread notifications`);
  before = unread;
}

function open() {
  if (source || document.hidden || !$("[data-bell]")) return;
  source = new EventSource("/api/live/notices");
  source.addEventListener("notices", (event) => {
    const told = JSON.parse(event.data);
    show(told);
    showChats(told);
  });
}

function close() {
  source?.close();
  source = null;
}

document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
addEventListener("pagehide", close);
addEventListener("pageshow", open);
open();
