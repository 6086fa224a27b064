"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const store = openStore();
  all(".js").forEach((element) => { element.hidden = false; });
  setUpGrids();
  setUpCharts();
  setUpCopy();
  setUpFreshness();

  // What the reader set stays when the page is loaded again. A browser may refuse to store anything.
  function openStore() {
    const key = "unpaired " + location.pathname;
    let values = {};
    try { values = JSON.parse(sessionStorage.getItem(key)) || {}; } catch { values = {}; }
    return {
      get: (name, otherwise) => (name in values ? values[name] : otherwise),
      set: (name, value) => {
        values[name] = value;
        try { sessionStorage.setItem(key, JSON.stringify(values)); } catch { /* then it lasts until the reload */ }
      },
    };
  }

  function remember(input, name, changed) {
    const field = input.type === "checkbox" ? "checked" : "value";
    input[field] = store.get(name, input[field]);
    input.addEventListener("input", () => { store.set(name, input[field]); changed(); });
  }

  // ---- sample grids: a slider over the steps of each, moved together or alone

  function setUpGrids() {
    const figures = all("figure.sample").map((figure, index) => makeStepper(figure, data.grids[index]));
    if (!figures.length) return;
    const together = document.getElementById("together");
    remember(together, "together", () => {});
    for (const moved of figures) {
      moved.range.addEventListener("input", () => {
        moved.show(Number(moved.range.value));
        if (together.checked) figures.forEach((other) => other !== moved && other.showStep(moved.step()));
        figures.forEach((figure) => figure.keep());
      });
    }
    setUpPlay(figures);
  }

  function makeStepper(figure, grid) {
    const range = figure.querySelector("input"), output = figure.querySelector("output");
    const image = figure.querySelector("img"), link = figure.querySelector("a");
    const newest = grid.steps.length - 1;
    const stepper = {
      range, newest,
      step: () => grid.steps[range.value],
      show: (index) => {
        range.value = index;
        image.src = link.href = grid.files + String(grid.steps[index]).padStart(8, "0") + ".png";
        output.textContent = "step " + grid.steps[index].toLocaleString("en");
      },
      showStep: (step) => stepper.show(Math.max(0, grid.steps.findLastIndex((known) => known <= step))),
      keep: () => store.set("grid " + grid.name, Number(range.value) === newest ? null : stepper.step()),
    };
    range.max = newest;
    const kept = store.get("grid " + grid.name, null);
    if (kept === null) range.value = newest;
    else stepper.showStep(kept);
    return stepper;
  }

  function setUpPlay(figures) {
    const button = document.getElementById("play");
    const last = Math.max(...figures.map((figure) => figure.newest));
    let timer = null;
    const stop = () => { clearInterval(timer); timer = null; button.textContent = "Play from the start"; };
    button.addEventListener("click", () => {
      if (timer !== null) return stop();
      let index = 0;
      button.textContent = "Stop";
      timer = setInterval(() => {
        figures.forEach((figure) => figure.show(Math.min(index, figure.newest)));
        figures.forEach((figure) => figure.keep());
        if (++index > last) stop();
      }, Math.max(80, Math.min(400, 8000 / (last + 1))));
    });
  }

  // ---- curves: SVG, drawn again when the width or a control changes

  function setUpCharts() {
    const charts = all("figure.chart").map((figure, index) => makeChart(figure, data.charts[index]));
    if (!charts.length || data.steps.length < 2) return;
    const smooth = document.getElementById("smooth"), log = document.getElementById("log");
    const drawAll = () => charts.forEach((chart) => chart.draw(Number(smooth.value), log.checked));
    remember(smooth, "smooth", drawAll);
    remember(log, "log", drawAll);
    const pointAt = (index) => charts.forEach((chart) => chart.point(index));
    charts.forEach((chart) => chart.listen(pointAt));
    let width = 0;
    new ResizeObserver(() => {
      const now = document.body.clientWidth;
      if (now !== width) { width = now; drawAll(); }
    }).observe(document.body);
  }

  function makeChart(figure, chart) {
    const plot = figure.querySelector(".plot"), legend = figure.querySelector(".legend");
    const margin = { left: 46, right: 10, top: 8, bottom: 20 }, height = 190;
    let frame = null, lines = [];

    function draw(weight, wantsLog) {
      const width = Math.max(160, plot.clientWidth);
      lines = chart.lines.map((line) => {
        const raw = data.curves[line.name];
        return { ...line, raw, values: smoothed(raw, weight), css: `var(--c${line.colour})` };
      });
      const [low, high, isLog] = verticalRange(lines, chart.levels, wantsLog);
      const at = isLog ? Math.log : (value) => value;
      const first = data.steps[0], span = data.steps.at(-1) - first || 1;
      frame = {
        x: (step) => margin.left + (step - first) / span * (width - margin.left - margin.right),
        y: (value) => margin.top + (at(high) - at(value)) / (at(high) - at(low) || 1) * (height - margin.top - margin.bottom),
        width,
      };
      const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": chart.title });
      drawAxes(svg, frame, low, high, isLog);
      const clip = "clip" + chart.title.replace(/\W/g, "");
      const box = element("clipPath", { id: clip }, svg);
      element("rect", { x: margin.left, y: 0, width: width - margin.left, height: height - margin.bottom + 2 }, box);
      const inside = element("g", { "clip-path": `url(#${clip})` }, svg);
      drawLevels(svg, frame, low, high);
      for (const line of lines) {
        if (weight > 0) element("path", { class: "raw", d: pathOf(line.raw, isLog), style: `stroke: ${line.css}` }, inside);
        element("path", { d: pathOf(line.values, isLog), style: `stroke: ${line.css}` }, inside);
      }
      frame.cursor = element("line", { class: "cursor", y1: margin.top, y2: height - margin.bottom, visibility: "hidden" }, svg);
      frame.readout = element("text", { class: "label", y: margin.top + 4 }, svg);
      plot.replaceChildren(svg);
      point(null);
    }

    function pathOf(values, isLog) {
      let path = "", pen = "M";
      values.forEach((value, index) => {
        if (value === null || (isLog && value <= 0)) { pen = "M"; return; }
        path += pen + frame.x(data.steps[index]).toFixed(1) + " " + frame.y(value).toFixed(1);
        pen = "L";
      });
      return path;
    }

    function drawAxes(svg, { x, y, width }, low, high, isLog) {
      for (const value of isLog ? logTicks(low, high) : ticks(low, high, 4)) {
        element("line", { class: "gridline", x1: margin.left, x2: width - margin.right, y1: y(value), y2: y(value) }, svg);
        element("text", { x: margin.left - 6, y: y(value) + 4, "text-anchor": "end" }, svg).textContent = short(value);
      }
      for (const step of ticks(data.steps[0], data.steps.at(-1), Math.max(2, width / 110))) {
        element("text", { x: x(step), y: height - 5, "text-anchor": x(step) > width - 25 ? "end" : "middle" }, svg).textContent = short(step);
      }
    }

    function drawLevels(svg, { y, width }, low, high) {
      for (const { value, text } of chart.levels.filter((level) => level.value >= low && level.value <= high)) {
        element("line", { class: "level", x1: margin.left, x2: width - margin.right, y1: y(value), y2: y(value) }, svg);
        const above = y(value) > margin.top + 14;
        element("text", { class: "label", x: width - margin.right, y: y(value) + (above ? -4 : 13), "text-anchor": "end" }, svg).textContent =
          `${text} (${short(value)})`;
      }
    }

    function point(index) {
      const last = data.steps.length - 1, shown = index === null ? last : index;
      legend.replaceChildren(...lines.map((line) => legendEntry(line, shown)));
      if (!frame) return;
      const x = frame.x(data.steps[shown]), leftHalf = x < frame.width / 2;
      frame.cursor.setAttribute("visibility", index === null ? "hidden" : "visible");
      frame.cursor.setAttribute("x1", x);
      frame.cursor.setAttribute("x2", x);
      frame.readout.setAttribute("x", x + (leftHalf ? 5 : -5));
      frame.readout.setAttribute("text-anchor", leftHalf ? "start" : "end");
      frame.readout.textContent = index === null ? "" : "step " + data.steps[shown].toLocaleString("en");
    }

    function legendEntry(line, index) {
      const entry = document.createElement("span");
      const mark = document.createElement("i"), number = document.createElement("b");
      mark.style.background = line.css;
      number.textContent = line.values[index] === null ? "none" : exact(line.values[index]);
      entry.append(mark, line.label + " ", number);
      return entry;
    }

    function listen(pointAt) {
      plot.addEventListener("pointermove", (event) => {
        if (!frame) return;
        const position = event.clientX - plot.getBoundingClientRect().left;
        pointAt(nearest(data.steps.map(frame.x), position));
      });
      plot.addEventListener("pointerleave", () => pointAt(null));
    }

    return { draw, point, listen };
  }

  // The range of the smoothed curves and most of the raw points, from 0 when that costs little, with levels that are near.
  function verticalRange(lines, levels, wantsLog) {
    const values = lines.flatMap((line) => line.values.filter((value) => value !== null));
    const raw = lines.flatMap((line) => line.raw.filter((value) => value !== null)).sort((p, q) => p - q);
    if (!values.length) return [0, 1, false];
    if (raw.at(-1) - raw[0] <= 1e-6 * Math.abs(raw.at(-1))) return aroundConstant(raw[0]);
    const settled = lines.flatMap((line) => line.values.slice(Math.ceil(line.values.length * 0.03)).filter((value) => value !== null));
    let low = Math.min(...settled, raw[Math.floor(raw.length * 0.01)]);
    let high = Math.max(...settled, raw[Math.ceil(raw.length * 0.98) - 1]);
    for (const { value } of levels) {
      if (value > high && value < high * 1.8) high = value;
      if (value < low && value > low * 0.4) low = value;
    }
    const isLog = wantsLog && raw[0] > 0 && high > low;
    if (!isLog && low > 0 && low < 0.6 * high) low = 0;
    if (low === high) return aroundConstant(low);
    return [isLog ? low / 1.1 : low, isLog ? high * 1.1 : high + (high - low) * 0.06, isLog];
  }

  function aroundConstant(value) {
    const room = Math.abs(value) || 1;
    return [value - room, value + room, false];
  }

  // Exponential moving average without the pull towards 0 at the start; a gap stays a gap.
  function smoothed(values, weight) {
    let sum = 0, total = 0;
    return values.map((value) => {
      if (value === null) return null;
      sum = sum * weight + value * (1 - weight);
      total = total * weight + (1 - weight);
      return sum / total;
    });
  }

  function ticks(low, high, about) {
    const rough = (high - low) / about, unit = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * unit).find((candidate) => candidate >= rough);
    const found = [];
    for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) found.push(Number(value.toPrecision(12)));
    return found;
  }

  function logTicks(low, high) {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
      for (const factor of [1, 2, 5]) found.push(Number((factor * 10 ** power).toPrecision(3)));
    }
    const inside = found.filter((value) => value >= low && value <= high);
    return inside.length > 6 ? inside.filter((value) => /^[0.]*1/.test(String(value)) || value < 1e-6) : inside;
  }

  function nearest(positions, wanted) {
    let best = 0;
    positions.forEach((position, index) => {
      if (Math.abs(position - wanted) < Math.abs(positions[best] - wanted)) best = index;
    });
    return best;
  }

  function short(value) {
    const size = Math.abs(value);
    if (size >= 1e6) return Number((value / 1e6).toPrecision(3)) + "M";
    if (size >= 1e4) return Number((value / 1e3).toPrecision(3)) + "k";
    if (size > 0 && size < 1e-3) return Number(value.toPrecision(2)).toExponential();
    return String(Number(value.toPrecision(3)));
  }

  function exact(value) {
    const size = Math.abs(value);
    if (size >= 1e4) return Math.round(value).toLocaleString("en");
    return size > 0 && size < 1e-3 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
  }

  function element(name, attributes, parent) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (parent) parent.append(made);
    return made;
  }

  // ---- commands

  function setUpCopy() {
    for (const button of all(".command button")) {
      button.addEventListener("click", async () => {
        const text = button.previousElementSibling.textContent;
        try { await navigator.clipboard.writeText(text); button.textContent = "Copied"; }
        catch { getSelection().selectAllChildren(button.previousElementSibling); button.textContent = "Selected"; }
        setTimeout(() => { button.textContent = "Copy"; }, 2000);
      });
    }
  }

  // ---- freshness: load the page again while the run writes to it and nobody is touching it

  function setUpFreshness() {
    const auto = document.getElementById("auto"), text = document.getElementById("fresh");
    const label = auto.closest("label");
    let lastTouch = 0;
    for (const kind of ["pointerdown", "pointermove", "keydown", "wheel"]) {
      addEventListener(kind, () => { lastTouch = Date.now(); }, { passive: true });
    }
    remember(auto, "auto", () => {});
    const look = () => {
      const age = Date.now() / 1000 - data.written;
      const silent = age > data.silent_seconds;
      text.textContent = sentence(age, silent);
      label.hidden = data.finished || silent;
      return !data.finished && !silent && auto.checked;
    };
    look();
    const loaded = Date.now();
    setInterval(() => {
      const wanted = look();
      const quiet = Date.now() - lastTouch > 10_000 && Date.now() - loaded > data.refresh_seconds * 1000;
      if (wanted && quiet && !document.hidden) location.reload();
    }, 5000);
  }

  function sentence(age, silent) {
    const ago = `Written ${inWords(age)} ago`;
    if (data.finished) return `${ago}: the run is complete.`;
    return silent ? `${ago}: the run has probably stopped; its resume command is below.` : `${ago}, while training.`;
  }

  function inWords(seconds) {
    if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s`;
    if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
    return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
  }
})();
