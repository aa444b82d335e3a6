// The service worker: shows what is pushed, takes in what other apps share, and says so when there is no connection.
// It answers nothing else, so that pages are always the server's.
const OFFLINE = "/offline";
const KEPT = "offline-1";
const SHARED = "shared";
const MOST_SHARED = 20;

// The page, and the style sheets that it names.
async function keepOffline(cache) {
  const found = await fetch(new Request(OFFLINE, { cache: "reload", credentials: "omit" }));
  if (!found.ok) return;
  const names = [...(await found.clone().text()).matchAll(/href="(\/static\/[^"]+\.css)"/g)].map((match) => match[1]);
  await cache.put(OFFLINE, found);
  await cache.addAll(names);
}

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(KEPT)
      .then(keepOffline)
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys()) if (name !== KEPT && name !== SHARED) await caches.delete(name);
      await self.registration.navigationPreload?.enable();
      await self.clients.claim();
    })(),
  );
});

async function page(event) {
  try {
    return (await event.preloadResponse) ?? (await fetch(event.request));
  } catch {
    return (await caches.match(OFFLINE)) ?? Response.error();
  }
}

// What another app shares stays on this device until the editor of a post takes it.
async function share(request) {
  const form = await request.formData();
  const files = form.getAll("media").filter((one) => one instanceof File && one.size > 0).slice(0, MOST_SHARED);
  if (files.length === 0) {
    const words = [form.get("url"), form.get("text"), form.get("title")].find((one) => typeof one === "string" && one.trim());
    return Response.redirect(words ? `/search?q=${encodeURIComponent(words.trim().slice(0, 200))}` : "/", 303);
  }
  await caches.delete(SHARED);
  const cache = await caches.open(SHARED);
  for (const [at, file] of files.entries()) {
    const headers = { "content-type": file.type || "application/octet-stream", "x-name": encodeURIComponent(file.name) };
    await cache.put(`/shared/${at}`, new Response(file, { headers }));
  }
  return Response.redirect("/posts/create?shared=1", 303);
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method === "POST" && new URL(request.url).pathname === "/share") event.respondWith(share(request));
  else if (request.mode === "navigate" && request.method === "GET") event.respondWith(page(event));
  else if (request.destination === "style" && !self.navigator.onLine)
    event.respondWith(caches.match(request).then((found) => found ?? fetch(request)));
});

self.addEventListener("push", (event) => {
  let told = {};
  try {
    told = event.data.json();
  } catch {
    // A push that cannot be read must still show something.
  }
  const { title = "News", body = "Something happened that concerns you.", path = "/notifications", tag } = told;
  const options = { body, tag, icon: "/icon-192.png", badge: "/icon-192.png", data: { path }, renotify: Boolean(tag) };
  event.waitUntil(self.registration.showNotification(title, options));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const place = new URL(event.notification.data?.path ?? "/notifications", self.location.origin);
  if (place.origin !== self.location.origin) return;
  event.waitUntil(
    (async () => {
      const open = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
      const here = open.find((one) => one.url === place.href) ?? open.find((one) => one.focused) ?? open[0];
      if (!here) return self.clients.openWindow(place.href);
      await here.focus();
      if (here.url !== place.href) await here.navigate(place.href).catch(() => self.clients.openWindow(place.href));
    })(),
  );
});

self.addEventListener("pushsubscriptionchange", (event) => {
  const options = event.oldSubscription?.options ?? { userVisibleOnly: true };
  // The next page that is opened tells the server of it.
  event.waitUntil(self.registration.pushManager.subscribe(options).catch(() => null));
});
