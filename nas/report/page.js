"use strict";
(() => {
  const tip = document.getElementById("tip");
  const at = (event) => event.target.closest?.("[data-tip]");
  const show = (mark, x, y) => {
    tip.textContent = mark.dataset.tip;
    tip.style.display = "block";
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(x + 12, innerWidth - width - 4))}px`;
    tip.style.top = `${y + 14 + height > innerHeight ? y - height - 10 : y + 14}px`;
  };
  const hide = () => { tip.style.display = "none"; };
  document.addEventListener("pointermove", (event) => {
    const mark = at(event);
    if (mark) show(mark, event.clientX, event.clientY); else hide();
  });
  document.addEventListener("focusin", (event) => {
    const mark = at(event);
    if (!mark) return hide();
    const box = mark.getBoundingClientRect();
    show(mark, box.right, box.bottom);
  });
  document.addEventListener("focusout", hide);
  addEventListener("scroll", hide, { passive: true });

  const panel = document.getElementById("chosen");
  const choose = (key) => {
    const made = document.getElementById(`net-${key}`);
    if (!panel || !made) return;
    panel.replaceChildren(made.content.cloneNode(true));
    for (const mark of document.querySelectorAll("[data-key]")) {
      mark.classList.toggle("chosen", mark.dataset.key === key);
    }
  };
  document.addEventListener("click", (event) => {
    const key = event.target.closest?.("[data-key]")?.dataset.key;
    if (key) choose(key);
  });
  document.addEventListener("keydown", (event) => {
    const mark = event.target.closest?.(".point");
    if (!mark) return;
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step) {
      const points = [...mark.parentNode.querySelectorAll(".point")];
      const next = points[points.indexOf(mark) + step];
      if (next) { mark.tabIndex = -1; next.tabIndex = 0; next.focus(); }
    } else if (event.key === "Enter" || event.key === " ") {
      if (mark.dataset.key) choose(mark.dataset.key);
    } else if (event.key === "Escape") {
      return hide();
    } else {
      return;
    }
    event.preventDefault();
  });
})();
