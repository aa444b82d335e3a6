// [data-advert]: an advert that stays on the screen for its seconds sends its ticket back, once.
import { $, csrfToken } from "./dom.js";

const slot = $("[data-advert]");
const ticket = slot?.dataset.advert;

if (ticket && "IntersectionObserver" in globalThis) {
  let timer = 0;
  const send = () => {
    watch.disconnect();
    fetch("/api/v1/buzz/adverts/seen", {
      method: "POST",
      headers: { accept: "application/json", "content-type": "application/json", "x-csrf-token": csrfToken() },
      body: JSON.stringify({ ticket }),
    }).catch(() => {});
  };
  let inView = false;
  const weigh = () => {
    clearTimeout(timer);
    if (inView && !document.hidden) timer = setTimeout(send, Number(slot.dataset.advertSeconds) * 1000);
  };
  const watch = new IntersectionObserver(
    ([entry]) => {
      inView = entry.intersectionRatio >= 0.5;
      weigh();
    },
    { threshold: [0, 0.5, 1] },
  );
  watch.observe(slot);
  document.addEventListener("visibilitychange", weigh);
}
