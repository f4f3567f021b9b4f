"use strict";
// What Bokeh's models are told: axes of the parallel coordinates, brushes, best k %, the map, and the chosen points.
// Functions of its own in Python (CustomJS) would need a policy that lets any text run as a script.
(async () => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const settings = read("settings");
  const roots = settings.roots;
  await Bokeh.embed.embed_items({ all: read("plots") }, [{ docid: "all", roots, root_ids: Object.keys(roots) }]);
  const model = (name) => Bokeh.documents[0].get_model_by_name(name);
  const element = (id) => document.getElementById(id);
  const changed = (object, name, call) => object.properties[name].change.connect(call);
  const points = model("points");
  const data = points.data;
  const size = data.id.length;

  // numbers of each column; a word is its place in the list of words
  const columns = new Map(settings.columns.map((column) => {
    const values = data[column.field];
    const numbers = column.words.length ? Array.from(values, (word) => (word === null ? NaN : column.words.indexOf(word))) : values;
    const scale = column.log ? Math.log10 : (value) => value;
    let [low, high] = [Infinity, -Infinity];
    for (const value of numbers) {
      if (!Number.isNaN(value)) [low, high] = [Math.min(low, value), Math.max(high, value)];
    }
    if (low > high) [low, high] = [0, 1];
    const [first, last] = [scale(low), scale(high)];
    const span = last - first || 1;
    const start = last === first ? first - 0.5 : first;
    return [column.field, { ...column, numbers, low, high, scale, start, span }];
  }));
  const back = (column, share) => {
    const place = column.start + share * column.span;
    return column.log ? 10 ** place : place;
  };
  const share = (column, row) => (column.scale(column.numbers[row]) - column.start) / column.span;
  const number = (value, digits) => String(Number.isInteger(value) ? value : Number(value.toPrecision(digits)));
  const word = (column, place) => column.words[place] || (place in column.words ? "(empty)" : "");
  const text = (column, value) => (column.words.length ? word(column, Math.round(value)) : number(value, 4));
  const labels = (column) => {
    const step = Math.ceil(column.words.length / 12);
    return [...column.words.keys()].filter((place) => place % step === 0);
  };

  // a space of no width keeps Bokeh from taking a text for a formula
  const plain = (label) => label.replace(/\$(?=\$)|\\(?=[[(])/g, (mark) => `${mark}\u200b`);
  const short = (label, most = 26) => plain(label.length > most ? `${label.slice(0, most - 1)}…` : label);

  // ---- parallel coordinates
  const parallel = model("parallel");
  const axes = model("axes");
  const brushes = new Map();
  const foot = -0.12;
  const shown = () => axes.active.map((place) => columns.get(settings.columns[place].field));

  const drawAxes = () => {
    const list = shown();
    for (const field of [...brushes.keys()]) if (!list.some((column) => column.field === field)) brushes.delete(field);
    const xs = list.map((_, place) => place);
    data.xs = Array.from({ length: size }, () => xs);
    data.ys = Array.from({ length: size }, (_, row) => list.map((column) => {
      const y = share(column, row);
      return Number.isNaN(y) ? foot : y;
    }));
    const ticks = { x: [], y: [], text: [] };
    list.forEach((column, x) => {
      const places = column.words.length ? labels(column).map((at) => (at - column.start) / column.span) : [0, 0.25, 0.5, 0.75, 1];
      const single = column.low === column.high;
      for (const y of single ? [0.5] : places) {
        ticks.x.push(x); ticks.y.push(y); ticks.text.push(short(text(column, back(column, y)), 12));
      }
    });
    model("ticks").data = ticks;
    model("lines").data = { x: xs };
    const axis = parallel.below[0];
    axis.ticker.ticks = xs;
    axis.major_label_overrides = new Map(list.map((column, place) => [place, short(column.label)]));
    parallel.x_range.setv({ start: -0.3, end: Math.max(list.length, 1) - 0.3 });
    drawBrushes();
    points.change.emit();
  };
  

  const drawBrushes = () => {
    const boxes = { left: [], right: [], bottom: [], top: [] };
    shown().forEach((column, x) => {
      if (!brushes.has(column.field)) return;
      const [bottom, top] = brushes.get(column.field);
      boxes.left.push(x - 0.08); boxes.right.push(x + 0.08); boxes.bottom.push(bottom); boxes.top.push(top);
    });
    model("brushes").data = boxes;
  };

  const keep = () => {
    const kept = [];
    const best = ranked();
    const drawn = [...brushes].map(([field, range]) => [columns.get(field), range]);
    for (let row = 0; row < size; row++) {
      if (best && !best.has(row)) continue;
      if (drawn.every(([column, [bottom, top]]) => {
        const y = share(column, row);
        const place = Number.isNaN(y) ? foot : y;
        return place >= bottom && place <= top;
      })) kept.push(row);
    }
    model("kept").indices = kept;
    element("count").textContent = `${kept.length.toLocaleString("en")} of ${size.toLocaleString("en")} points are kept.`;
  };

  // the best k % of the points that have a value in a column
  const ranked = () => {
    const column = columns.get(model("best").value);
    if (!column) return null;
    const rows = [...column.numbers.keys()].filter((row) => !Number.isNaN(column.numbers[row]));
    const sign = model("end").value === "low" ? 1 : -1;
    rows.sort((a, b) => sign * (column.numbers[a] - column.numbers[b]));
    return new Set(rows.slice(0, Math.ceil((model("share").value / 100) * rows.length)));
  };

  parallel.on_event("selectiongeometry", ({ geometry, final }) => {
    if (!final || geometry.type !== "rect") return;
    const list = shown();
    const [left, right] = [Math.min(geometry.x0, geometry.x1), Math.max(geometry.x0, geometry.x1)];
    const near = Math.min(list.length - 1, Math.max(0, Math.round((left + right) / 2)));
    const range = [Math.min(geometry.y0, geometry.y1), Math.max(geometry.y0, geometry.y1)];
    list.forEach((column, x) => { if ((x >= left && x <= right) || x === near) brushes.set(column.field, range); });
    drawBrushes();
    keep();
  });
  parallel.on_event("doubletap", ({ x }) => {
    const column = shown()[Math.round(x)];
    if (column && brushes.delete(column.field)) { drawBrushes(); keep(); }
  });
  element("clear").addEventListener("click", () => { brushes.clear(); drawBrushes(); keep(); });
  changed(axes, "active", () => { drawAxes(); keep(); });
  for (const name of ["best", "end", "share"]) changed(model(name), "value", keep);

  // ---- the map
  const scatter = model("scatter");
  const bar = model("bar");
  const [linearX, logX, linearY, logY, ticker, logTicker, formatter, ...fixed] = scatter.tags;

  const setAxis = (axis, column, named) => {
    const ticks = labels(column);
    named.ticks = ticks;
    axis.axis_label = column.label;
    axis.formatter = formatter;
    axis.major_label_overrides = new Map(ticks.map((at) => [at, short(word(column, at))]));
    axis.ticker = ticks.length ? named : column.log ? logTicker : ticker;
  };
  const drawMap = () => {
    const [across, up, color] = ["x", "y", "color"].map((name) => columns.get(model(name).value));
    for (const [name, column] of [["x", across], ["y", up]]) {
      const none = back(column, -0.1);
      data[name] = Array.from(column.numbers, (value) => (Number.isNaN(value) ? none : value));
    }
    data.color = Float64Array.from(color.numbers, (_, row) => (color.log ? color.scale(color.numbers[row]) : color.numbers[row]));
    data.words = Array.from({ length: size }, (_, row) => [across, up, color].map((column) => {
      const value = column.numbers[row];
      return `${column.label}: ${Number.isNaN(value) ? "none" : text(column, value)}`;
    }).join("; "));
    scatter.setv({ x_scale: across.log ? logX : linearX, y_scale: up.log ? logY : linearY });
    for (const [range, column] of [[scatter.x_range, across], [scatter.y_range, up]]) {
      const ends = { start: back(column, -0.16), end: back(column, 1.06) };
      range.setv({ ...ends, reset_start: ends.start, reset_end: ends.end });
    }
    setAxis(scatter.below[0], across, fixed[0]);
    setAxis(scatter.left[0], up, fixed[1]);
    const [low, high] = [color.start, color.start + color.span];
    model("colors").setv({ low, high });
    bar.title = short(color.label);
    // the ticker of a bar cannot be another one, so its ticks are set
    const steps = color.words.length ? labels(color) : [0, 0.25, 0.5, 0.75, 1].map((part) => low + part * (high - low));
    const values = color.words.length ? steps : steps.map((step) => (color.log ? 10 ** step : step));
    bar.ticker.ticks = steps;
    bar.major_label_overrides = new Map(steps.map((step, at) => [step, short(text(color, values[at]), 12)]));
    points.change.emit();
  };
  for (const name of ["x", "y", "color"]) changed(model(name), "value", drawMap);

  // ---- the chosen points
  const slots = new Map(settings.recorded.rows.map((row, slot) => [row, slot]));
  const most = 20;

  const drawRecorded = (rows) => {
    const there = rows.filter((row) => slots.has(row)).slice(0, most);
    element("recordings").hidden = !there.length;
    element("without").hidden = !rows.length || slots.has(rows[0]) || data.status_of[rows[0]] !== "ok" || !settings.recorded.rows.length;
    settings.recorded.figures.forEach((one, number) => {
      const held = model(`recorded${number}`).tags[0].data;
      const part = (name, row) => held[name].slice(one.starts[slots.get(row)], one.starts[slots.get(row) + 1]);
      const drawn = model(`drawn${number}`);
      if (one.x === null) {
        drawn.data = there.length ? { x: part("y", there[0]), y: part("cell", there[0]) } : { x: [], y: [] };
      } else {
        // the first one in front
        const back = [...there].reverse();
        drawn.data = {
          xs: back.map(() => one.x),
          ys: back.map((row) => part("y", row)),
          color: back.map((row) => (row === there[0] ? settings.front : settings.others)),
          width: back.map((row) => (row === there[0] ? 1.8 : 0.8)),
        };
      }
      const others = one.x !== null && there.length > 1 ? ` and ${there.length - 1} more` : "";
      element(`title-recorded${number}`).textContent = there.length ? `${one.title} (${data.id[there[0]]}${others})` : one.title;
    });
  };
  const drawChosen = () => {
    const rows = points.selected.indices;
    const [row] = rows;
    element("again").hidden = row === undefined;
    element("values").replaceChildren();
    element("copied").textContent = "";
    if (row === undefined) {
      element("which").textContent = "No point is chosen.";
    } else {
      const more = rows.length > 1 ? `, the first of ${rows.length.toLocaleString("en")} chosen points` : "";
      const error = settings.errors[row] ? `: ${settings.errors[row]}` : "";
      element("which").textContent = `Point ${data.id[row]}${more}: ${data.status_of[row]}${error}`;
      element("command").textContent = settings.command.join(data.id[row]);
      for (const column of columns.values()) {
        const value = column.numbers[row];
        if (Number.isNaN(value)) continue;
        const [name, shownValue] = [document.createElement("dt"), document.createElement("dd")];
        name.textContent = column.label;
        shownValue.textContent = column.words.length ? word(column, value) : number(value, 12);
        const pair = document.createElement("div");
        pair.append(name, shownValue);
        element("values").append(pair);
      }
    }
    drawRecorded(rows);
  };
  element("copy").addEventListener("click", async () => {
    getSelection().selectAllChildren(element("command"));
    try {
      await navigator.clipboard.writeText(element("command").textContent);
      element("copied").textContent = "copied";
    } catch {
      element("copied").textContent = "marked: copy it with the keyboard";
    }
  });
  changed(points.selected, "indices", drawChosen);

  // ---- at the beginning
  const room = Math.max(3, Math.min(10, Math.floor(element("part-parallel").clientWidth / 90)));
  const status = settings.columns.at(-1).field;
  data.status_of = data[status];
  model("x").value = settings.start.x;
  model("y").value = settings.start.y;
  model("color").value = settings.start.color;
  axes.active = settings.start.axes.slice(0, room);
  drawAxes();
  drawMap();
  keep();
  document.body.dataset.ready = "yes";
})();
