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

  async function draw(figure) {
    const plot = figure.querySelector(".plot");
    try {
      const { data, layout } = JSON.parse(figure.querySelector("script").textContent);
      await Plotly.newPlot(plot, data, layout, config(figure.id));
      if (figure.dataset.figure === "solid") {
        await takeStill(figure, plot);
        let waiting = 0;
        plot.on("plotly_relayout", () => {
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
