// Sections of the page, drawn when they are seen: a change draws what is on the screen at once, the rest after it.

const LATER = window.requestIdleCallback ?? ((act) => setTimeout(act, 1));

export class Panels {
  /** list: {section, show}. `data-pending` of the page says how many are still to be drawn. */
  constructor(list) {
    this.list = list.map((panel) => ({ ...panel, isStale: true, isSeen: false }));
    this.frame = null;
    this.idle = null;
    const seen = new IntersectionObserver((entries) => {
      for (const entry of entries) this.list.find((panel) => panel.section === entry.target).isSeen = entry.isIntersecting;
      this.drawSeen();
    });
    for (const { section } of this.list) seen.observe(section);
  }

  /** Something changed: in the next frame what is seen is drawn, however many changes come before it. */
  change() {
    for (const panel of this.list) panel.isStale = true;
    this.count();
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.drawSeen();
    });
  }

  drawSeen() {
    for (const panel of this.list) if (panel.isSeen) this.draw(panel);
    performance.mark("emqa-drawn");
    this.idle ??= LATER(() => this.drawNext());
  }

  drawNext() {
    this.idle = null;
    const next = this.list.find((panel) => panel.isStale);
    if (!next) return;
    this.draw(next);
    this.idle = LATER(() => this.drawNext());
  }

  draw(panel) {
    if (!panel.isStale) return;
    panel.isStale = false;
    panel.show();
    this.count();
  }

  count() {
    document.documentElement.dataset.pending = String(this.list.filter((panel) => panel.isStale).length);
  }
}
