"use strict";
(() => {
  const data = JSON.parse(document.getElementById("map-data").textContent);
  const canvas = document.getElementById("map-canvas");
  const tip = document.getElementById("map-tip");
  const context = canvas.getContext("2d");
  const n = data.group.length;
  const visible = data.classes.map(() => true);
  const verdictVisible = { accepted: true, rejected: true };
  const view = { zoom: 1, x: 0.5, y: 0.5 };
  const notes = {
    "t-SNE": "t-SNE keeps neighbours; distances between groups mean little.",
    "PCA": "PCA keeps large distances; groups may overlap.",
  };
  let method = Object.keys(data.maps)[0];
  let active = -1;
  let pinned = false;
  let dragged = null;
  let ink, surface, muted;

  // Drawing

  const paths = {
    circle: (c, r) => c.arc(0, 0, r, 0, 2 * Math.PI),
    square: (c, r) => c.rect(-0.88 * r, -0.88 * r, 1.76 * r, 1.76 * r),
    triangle: (c, r) => { c.moveTo(0, -1.15 * r); c.lineTo(1.05 * r, 0.8 * r); c.lineTo(-1.05 * r, 0.8 * r); c.closePath(); },
    diamond: (c, r) => { c.moveTo(0, -1.25 * r); c.lineTo(1.25 * r, 0); c.lineTo(0, 1.25 * r); c.lineTo(-1.25 * r, 0); c.closePath(); },
    cross: (c, r) => { c.moveTo(-r, -r); c.lineTo(r, r); c.moveTo(-r, r); c.lineTo(r, -r); },
    plus: (c, r) => { c.moveTo(-1.2 * r, 0); c.lineTo(1.2 * r, 0); c.moveTo(0, -1.2 * r); c.lineTo(0, 1.2 * r); },
    star: (c, r) => { paths.plus(c, r); paths.cross(c, 0.8 * r); },
    bar: (c, r) => { c.moveTo(0, -1.3 * r); c.lineTo(0, 1.3 * r); },
  };

  // Known: filled where accepted, hollow where rejected. Unknown: strokes, ringed where accepted.
  function mark(c, group, accepted, r) {
    const { colour, mark: shape } = group;
    c.beginPath();
    paths[shape](c, r);
    if (colour !== null) {
      if (accepted) {
        c.fillStyle = colour;
        c.fill();
        c.lineWidth = 0.7;
        c.strokeStyle = surface;
      } else {
        c.fillStyle = surface;
        c.fill();
        c.lineWidth = 1.6;
        c.strokeStyle = colour;
      }
      c.stroke();
    } else {
      c.lineWidth = 1.2;
      c.strokeStyle = accepted ? ink : muted;
      c.stroke();
      if (accepted) {
        c.beginPath();
        c.arc(0, 0, 1.75 * r, 0, 2 * Math.PI);
        c.lineWidth = 0.9;
        c.stroke();
      }
    }
  }

  function size() { return [canvas.clientWidth, canvas.clientHeight]; }

  // Both axes have one scale, so that distances keep their ratios.
  function scale() {
    const [width, height] = size();
    return (Math.min(width, height) - 36) * view.zoom;
  }

  function position(i) {
    const [width, height] = size();
    const points = data.maps[method];
    return [width / 2 + (points[0][i] - view.x) * scale(), height / 2 - (points[1][i] - view.y) * scale()];
  }

  // Without verdicts every sample counts as accepted.
  function isAccepted(i) { return data.accepted === null || Boolean(data.accepted[i]); }

  function shown(i) {
    return visible[data.group[i]] && verdictVisible[isAccepted(i) ? "accepted" : "rejected"];
  }

  function draw() {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = size();
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const radius = (n > 800 ? 3 : 3.8) * Math.min(1.8, Math.sqrt(view.zoom));
    for (let i = 0; i < n; i++) {
      if (i === 0) {
        context.setTransform(ratio, 0, 0, ratio, 0, 0);
        context.clearRect(0, 0, width, height);
      }
      if (!shown(i)) continue;
      const [x, y] = position(i);
      if (x < -9 || y < -9 || x > width + 9 || y > height + 9) continue;
      context.setTransform(ratio, 0, 0, ratio, x * ratio, y * ratio);
      mark(context, data.classes[data.group[i]], isAccepted(i), radius);
    }
    if (active >= 0) {
      const [x, y] = position(active);
      context.setTransform(ratio, 0, 0, ratio, x * ratio, y * ratio);
      mark(context, data.classes[data.group[active]], isAccepted(active), radius * 1.5);
      context.beginPath();
      context.arc(0, 0, radius * 3, 0, 2 * Math.PI);
      context.lineWidth = 1.5;
      context.strokeStyle = ink;
      context.stroke();
    }
  }

  let waiting = false;
  function redraw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  }

  function readColours() {
    const style = getComputedStyle(document.documentElement);
    ink = style.getPropertyValue("--ink").trim();
    surface = style.getPropertyValue("--surface").trim();
    muted = style.getPropertyValue("--muted").trim();
  }

  // What a point tells

  function element(name, text, className) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function thumbnail(i) {
    const { uri, tile, width, height, columns, rows } = data.sprite;
    const factor = Math.max(1, Math.round(96 / Math.max(width, height)));
    const image = element("div", undefined, "image");
    image.style.width = width * factor + "px";
    image.style.height = height * factor + "px";
    image.style.backgroundImage = `url("${uri}")`;
    image.style.backgroundSize = columns * tile * factor + "px " + rows * tile * factor + "px";
    image.style.backgroundPosition = -(i % columns) * tile * factor + "px " + -Math.floor(i / columns) * tile * factor + "px";
    return image;
  }

  function describe(i) {
    const text = element("div");
    const group = data.classes[data.group[i]];
    const subtitle = data.subtitle.texts[data.subtitle.of[i]];
    text.append(element("strong", data.title.texts[data.title.of[i]]));
    if (group.colour === null && group.name !== "unknown") text.append(element("span", "unknown class"));
    if (subtitle) text.append(element("span", subtitle));
    for (const [name, values] of Object.entries(data.facts)) text.append(element("span", name + " " + values[i]));
    if (data.features) {
      const list = element("dl");
      for (const [name, value] of data.features[i]) list.append(element("dt", name), element("dd", value));
      text.append(list);
    }
    return text;
  }

  function show(i) {
    if (i !== active) {
      active = i;
      tip.replaceChildren();
      tip.hidden = i < 0;
      if (i >= 0) tip.append(...(data.sprite ? [thumbnail(i)] : []), describe(i));
      redraw();
    }
    if (i < 0) return;
    const [width, height] = size();
    const [x, y] = position(i);
    tip.style.left = Math.max(4, x + 14 + tip.offsetWidth > width ? x - tip.offsetWidth - 14 : x + 14) + "px";
    tip.style.top = Math.max(4, Math.min(height - tip.offsetHeight - 4, y - tip.offsetHeight / 2)) + "px";
  }

  function nearestPoint(x, y, reach) {
    let best = -1;
    let least = reach * reach;
    for (let i = 0; i < n; i++) {
      if (!shown(i)) continue;
      const [px, py] = position(i);
      const distance = (px - x) ** 2 + (py - y) ** 2;
      if (distance <= least) { least = distance; best = i; }
    }
    return best;
  }

  // Pointing, dragging, zooming, keys

  function at(event) {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  canvas.addEventListener("pointerdown", (event) => {
    dragged = { from: at(event), x: view.x, y: view.y, moved: false };
    if (event.pointerType === "mouse") canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = at(event);
    if (dragged && event.buttons) {
      const dx = x - dragged.from[0];
      const dy = y - dragged.from[1];
      if (dragged.moved || Math.hypot(dx, dy) > 5) {
        dragged.moved = true;
        canvas.classList.add("dragging");
        view.x = dragged.x - dx / scale();
        view.y = dragged.y + dy / scale();
        if (active >= 0) show(active);
        redraw();
        return;
      }
    }
    if (!pinned) show(nearestPoint(x, y, 14));
  });
  canvas.addEventListener("pointerup", (event) => {
    canvas.classList.remove("dragging");
    if (dragged && !dragged.moved) {
      const i = nearestPoint(...at(event), event.pointerType === "mouse" ? 14 : 24);
      pinned = i >= 0 && !(pinned && i === active);
      show(i);
    }
    dragged = null;
  });
  canvas.addEventListener("pointercancel", () => { dragged = null; canvas.classList.remove("dragging"); });
  canvas.addEventListener("pointerleave", () => { if (!pinned && !dragged) show(-1); });

  function zoom(factor, x = size()[0] / 2, y = size()[1] / 2) {
    const [width, height] = size();
    const zoomed = Math.min(40, Math.max(1, view.zoom * factor));
    const before = scale();
    view.zoom = zoomed;
    // The point under the pointer stays where it is.
    view.x += (x - width / 2) * (1 / before - 1 / scale());
    view.y -= (y - height / 2) * (1 / before - 1 / scale());
    if (zoomed === 1) { view.x = 0.5; view.y = 0.5; }
    if (active >= 0) show(active);
    redraw();
  }
  canvas.addEventListener("wheel", (event) => {
    // A plain wheel scrolls the page; with Ctrl, or a pinch, it zooms.
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(Math.exp(-0.01 * event.deltaY), ...at(event));
  }, { passive: false });
  document.getElementById("map-in").addEventListener("click", () => zoom(1.6));
  document.getElementById("map-out").addEventListener("click", () => zoom(1 / 1.6));
  document.getElementById("map-reset").addEventListener("click", () => { pinned = false; show(-1); zoom(1e-6); });

  canvas.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowUp: [1, 1], ArrowDown: [1, -1] };
    if (event.key === "Escape") { pinned = false; show(-1); return; }
    if (event.key === "+" || event.key === "-") { zoom(event.key === "+" ? 1.6 : 1 / 1.6); return; }
    if (!(event.key in steps)) return;
    event.preventDefault();
    const [axis, direction] = steps[event.key];
    const along = data.maps[method][axis];
    const across = data.maps[method][1 - axis];
    let best = -1;
    let least = Infinity;
    for (let i = 0; i < n; i++) {
      if (!shown(i) || i === active) continue;
      if (active < 0) { best = i; break; }
      const step = direction * (along[i] - along[active]);
      const distance = step + 2 * Math.abs(across[i] - across[active]);
      if (step > 0 && distance < least) { least = distance; best = i; }
    }
    if (best >= 0) { pinned = true; show(best); }
  });

  // Legend and methods

  function swatch(group, accepted) {
    const small = element("canvas");
    const ratio = window.devicePixelRatio || 1;
    small.width = small.height = 16 * ratio;
    const c = small.getContext("2d");
    c.setTransform(ratio, 0, 0, ratio, 8 * ratio, 8 * ratio);
    mark(c, group, accepted, 4);
    return small;
  }

  function toggle(icon, name, count, pressed, onClick) {
    const button = element("button");
    button.type = "button";
    button.title = name;
    button.setAttribute("aria-pressed", String(pressed));
    button.append(icon, element("span", name, "name"), element("span", count.toLocaleString("en"), "count"));
    button.addEventListener("click", onClick);
    return button;
  }

  function changed() {
    pinned = false;
    show(-1);
    fillLegend();
    redraw();
  }

  function fillLegend() {
    const legend = document.getElementById("map-legend");
    const focused = [...legend.querySelectorAll("button")].indexOf(document.activeElement);
    legend.replaceChildren();
    const part = (title, wanted) => {
      const places = data.classes.map((_, g) => g).filter((g) => (data.classes[g].colour !== null) === wanted && data.classes[g].count);
      if (!places.length) return;
      legend.append(element("h4", title));
      for (const g of places) {
        const group = data.classes[g];
        legend.append(toggle(swatch(group, wanted), group.name, group.count, visible[g], () => { visible[g] = !visible[g]; changed(); }));
      }
    };
    if (data.accepted !== null) fillVerdicts(legend);
    part(data.legend, true);
    part("Unknown classes", false);
    if (focused >= 0) legend.querySelectorAll("button")[focused].focus();
  }

  function fillVerdicts(legend) {
    legend.append(element("h4", "Verdict"));
    const example = { known: { colour: muted, mark: "circle" }, unknown: { colour: null, mark: "cross" } };
    const anyUnknown = data.classes.some((group) => group.colour === null && group.count);
    for (const verdict of ["accepted", "rejected"]) {
      const accepted = verdict === "accepted";
      const icon = element("span");
      icon.style.display = "flex";
      icon.append(swatch(example.known, accepted), ...(anyUnknown ? [swatch(example.unknown, accepted)] : []));
      const count = data.accepted.filter((value) => Boolean(value) === accepted).length;
      legend.append(toggle(icon, verdict, count, verdictVisible[verdict], () => { verdictVisible[verdict] = !verdictVisible[verdict]; changed(); }));
    }
  }

  function fillMethods() {
    const place = document.getElementById("map-methods");
    place.replaceChildren();
    const all = Object.keys(data.maps);
    for (const name of all.length > 1 ? all : []) {
      const button = element("button", name);
      button.type = "button";
      button.setAttribute("aria-pressed", String(name === method));
      button.addEventListener("click", () => { method = name; pinned = false; show(-1); fillMethods(); redraw(); });
      place.append(button);
    }
    document.getElementById("map-note").textContent = (all.length > 1 ? "" : method + ". ") + (notes[method] || "");
  }

  function start() { readColours(); fillLegend(); fillMethods(); draw(); }
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", start);
  new ResizeObserver(() => { if (active >= 0) show(active); redraw(); }).observe(canvas);
  start();
})();
