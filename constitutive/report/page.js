"use strict";
// Draws every figure of the page from the JSON beside it; window.report tells a test how far it is.
(() => {
  const figures = [...document.querySelectorAll("figure[data-figure]")];
  const report = (window.report = { total: figures.length, drawn: [], failed: [] });
  const config = (id) => ({
    responsive: true,
    displaylogo: false,
    displayModeBar: "hover",
    toImageButtonOptions: { format: "svg", filename: id },
    modeBarButtonsToRemove: ["lasso2d", "select2d", "sendDataToCloud", "resetCameraLastSave3d"],
  });

  // Printers get no WebGL: beside each 3D view stands a picture of it, renewed after every turn.
  async function takeStill(figure, plot) {
    const box = plot.getBoundingClientRect();
    const picture = await Plotly.toImage(plot, { format: "png", width: Math.max(300, box.width), height: box.height, scale: 2 });
    figure.querySelector(".still").src = picture;
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
    const plot = figure.querySelector(".plot");
    try {
      const { data, layout } = JSON.parse(figure.querySelector("script").textContent);
      await Plotly.newPlot(plot, data, layout, config(figure.id));
      if (figure.dataset.figure === "solid") {
        await takeStill(figure, plot);
        let waiting = 0;
        plot.on("plotly_relayout", (change) => {
          turnTogether(plot, change);
          clearTimeout(waiting);
          waiting = setTimeout(() => takeStill(figure, plot), 400);
        });
      }
      report.drawn.push(figure.id);
    } catch (error) {
      report.failed.push(`${figure.id}: ${error}`);
      plot.textContent = "This figure could not be drawn here; WebGL may be switched off.";
      throw error;
    }
  }

  (async () => {
    for (const figure of figures) await draw(figure);
  })();
  const resize = () => figures.forEach((figure) => Plotly.Plots.resize(figure.querySelector(".plot")));
  window.addEventListener("beforeprint", resize);
  window.addEventListener("afterprint", resize);
})();
