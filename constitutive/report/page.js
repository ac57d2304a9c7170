"use strict";
// Draws a figure when it comes near the screen, from the compressed JSON beside it; window.report shows a test what is drawn.
(() => {
  const figures = [...document.querySelectorAll("figure[data-figure]")];
  const solid = (figure) => figure.dataset.figure === "solid";
  const plotOf = (figure) => figure.querySelector(".plot");
  const config = (id) => ({
    responsive: true,
    displaylogo: false,
    displayModeBar: "hover",
    toImageButtonOptions: { format: "svg", filename: id },
    plotlyServerURL: "", // nothing is uploaded
    modeBarButtonsToRemove: ["lasso2d", "select2d", "sendChartToCloud", "sendDataToCloud", "resetCameraLastSave3d"],
  });

  // Text that was compressed by gzip and written in base64.
  async function unpacked(element) {
    const bytes = Uint8Array.from(atob(element.textContent), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }

  let plotly; // one copy, unpacked before the first figure
  async function loadPlotly() {
    const script = document.createElement("script");
    script.textContent = await unpacked(document.getElementById("plotly"));
    document.head.append(script);
  }

  // A surface stores no directions: they follow from its points.
  function withDirections(trace) {
    if (trace.type === "surface" && !trace.customdata) {
      const along = (axis, i, j) => (trace.surfacecolor[i][j] ? axis[i][j] / trace.surfacecolor[i][j] : 0);
      trace.customdata = trace.x.map((row, i) => row.map((_, j) => ["x", "y", "z"].map((name) => along(trace[name], i, j))));
    }
    return trace;
  }

  // Two views of one crystal turn together.
  function turnTogether(plot, change) {
    const scenes = Object.keys(plot._fullLayout).filter((key) => /^scene\d*$/.test(key));
    const moved = scenes.find((key) => `${key}.camera` in change);
    if (!moved || scenes.length < 2) return;
    const camera = change[`${moved}.camera`];
    const others = scenes.filter((key) => JSON.stringify(plot._fullLayout[key].camera) !== JSON.stringify(camera) && key !== moved);
    if (others.length) Plotly.relayout(plot, Object.fromEntries(others.map((key) => [`${key}.camera`, camera])));
  }

  async function draw(figure) {
    const plot = plotOf(figure);
    try {
      await (plotly ??= loadPlotly());
      const { data, layout } = JSON.parse(await unpacked(figure.querySelector("script")));
      await Plotly.newPlot(plot, data.map(withDirections), layout, config(figure.id));
      if (solid(figure)) plot.on("plotly_relayout", (change) => turnTogether(plot, change));
      report.drawn.push(figure.id);
    } catch (error) {
      report.failed.push(`${figure.id}: ${error}`);
      plot.textContent = "This figure could not be drawn: WebGL may be switched off, or the browser may be too old.";
      throw error;
    }
  }

  // One figure after another, so that the page can be scrolled meanwhile.
  const begun = new Map();
  let last = Promise.resolve();
  function drawOnce(figure) {
    if (!begun.has(figure)) begun.set(figure, (last = last.then(() => draw(figure)).catch(() => {})));
    return begun.get(figure);
  }

  // Printers get no WebGL: a 3D view is printed as a picture.
  async function takeStill(figure) {
    const box = plotOf(figure).getBoundingClientRect();
    const size = { width: Math.max(300, box.width), height: box.height };
    figure.querySelector(".still").src = await Plotly.toImage(plotOf(figure), { format: "png", ...size, scale: 2 });
  }

  async function prepareForPrinting() {
    await Promise.all(figures.map(drawOnce));
    for (const figure of figures.filter(solid)) if (report.drawn.includes(figure.id)) await takeStill(figure);
  }

  async function print(event) {
    event.preventDefault();
    const button = document.getElementById("print");
    button.disabled = true;
    await prepareForPrinting();
    button.disabled = false;
    window.print();
  }

  const report = (window.report = { total: figures.length, drawn: [], failed: [], prepareForPrinting });
  const watcher = new IntersectionObserver(
    (entries) => {
      for (const entry of entries.filter((seen) => seen.isIntersecting)) {
        watcher.unobserve(entry.target);
        drawOnce(entry.target);
      }
    },
    { rootMargin: "400px 0px" },
  );
  figures.forEach((figure) => watcher.observe(figure));
  document.getElementById("print").addEventListener("click", print);
  window.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "p") print(event);
  });
  const resize = () => figures.filter((figure) => report.drawn.includes(figure.id)).forEach((figure) => Plotly.Plots.resize(plotOf(figure)));
  window.addEventListener("beforeprint", resize);
  window.addEventListener("afterprint", resize);
})();
