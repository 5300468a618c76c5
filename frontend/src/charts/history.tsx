/** All trials by their number, and the best so far. */

import { brief, numberOf } from "../numbers";
import { chosen, opened, select } from "../state";
import { ACTIVE, type Study, bestSoFar, extent, finite } from "../study";
import { type Chosen, type Colours, type Drawn, type Instance, type Option, Chart, axis, describe, grid, hint } from "./chart";
import { inside, numberIn } from "./points";
import { TRIALS, TRIANGLES, beyond, cutNote, edge, scaled, type Scale, useScale } from "./scale";

/** From so many points on they are drawn as one shape of squares, in a tenth of the time. */
const MANY = { large: true, largeThreshold: 2000 };

type Point = [number, number, number];
interface Styled { value: Point; itemStyle: Option }

export function History({ shown }: { shown: Study }) {
  const { scale, buttons } = useScale(finite(shown));
  const label = shown.best
    ? `Best so far: ${shown.objective.metric} ${brief(shown.losses[shown.best.number] ?? NaN)} ` +
      `by trial ${shown.best.number} of ${shown.trials.length}; the table lists all trials`
    : "Best so far: no trial has a value yet";
  return (
    <Chart
      name="best-so-far"
      label={label}
      draw={(colour, selection) => drawn(shown, colour, scale, selection)}
      of={[shown, scale.log, scale.bulk?.max]}
      chosen={chosen}
      events={(chart) => selectable(chart, "history")}
    >
      {buttons}
    </Chart>
  );
}

/** Click opens a trial; a rectangle selects those in it. */
export function selectable(chart: Instance, where: string): void {
  chart.on("click", (event) => {
    const number = numberIn(event.data);
    if (number !== null) opened.value = number;
  });
  chart.on("brushselected", (event) => {
    const area = (event as unknown as { batch: { areas: { range: [[number, number], [number, number]] }[] }[] }).batch[0]?.areas[0];
    if (area) select(inside(chart, area.range), where);
  });
}

export const BRUSH = {
  toolbox: { right: 8, top: 0, padding: 5, itemSize: 13, feature: { dataZoom: { filterMode: "none", brushStyle: { opacity: 0.3 } }, restore: {} } },
  brush: { toolbox: ["rect", "clear"], brushMode: "single", throttleType: "debounce", throttleDelay: 100, outOfBrush: {} },
};

function drawn(shown: Study, colour: Colours, scale: Scale, chosen: Chosen): Drawn {
  const usual: Point[] = [];
  const outside: Styled[] = [];
  const values: number[] = [];
  const reached = shown.best !== null && beyond(scale, shown.losses[shown.best.number] ?? NaN);
  const running: Point[] = [];
  const without: Point[] = [];
  const dimmed: Point[] = [];
  const infeasible: Point[] = [];
  let unscaled = 0;
  shown.trials.forEach((trial, place) => {
    const value = shown.losses[place] ?? NaN;
    if (Number.isFinite(value)) {
      const at: Point = [trial.number, edge(scale, value), trial.number];
      values.push(value);
      if (beyond(scale, value)) outside.push({ value: at, itemStyle: { color: trial === shown.best ? colour.best : colour.point } });
      else if (chosen && !chosen.has(trial.number)) dimmed.push(at);
      else if (trial.feasible === false) infeasible.push(at);
      else usual.push(at);
    } else if (ACTIVE.has(trial.condition)) {
      const now = numberOf(trial.metrics[0]);
      if (!Number.isFinite(now)) return;
      values.push(now);
      const at: Point = [trial.number, edge(scale, now), trial.number];
      if (scale.log && now <= 0) unscaled++;
      else if (beyond(scale, now)) outside.push({ value: at, itemStyle: { color: "transparent", borderColor: colour.running, borderWidth: 2 } });
      else running.push(at);
    } else {
      without.push([trial.number, 0, trial.number]);
    }
  });
  const { metric, goal, maximize } = shown.objective;
  const marks =
    goal !== null && onAxis(shown, scale, goal)
      ? { silent: true, symbol: "none", lineStyle: { color: colour.soft, type: "dashed" },
          label: { formatter: `goal ${brief(goal)}`, position: "insideEndTop", color: colour.soft },
          data: [{ yAxis: goal }] }
      : {};
  const best = shown.best;
  const note = [
    cutNote(scale, values, TRIALS, TRIANGLES),
    unscaled ? `${unscaled} running without a value above 0 ${unscaled === 1 ? "is" : "are"} not on the logarithmic axis.` : "",
    goal !== null && !onAxis(shown, scale, goal) ? `The goal, ${brief(goal)}, is beyond the axis.` : "",
    infeasible.length ? "Infeasible trials are no best ones, whatever their value." : "",
    without.length ? `${without.length} without a value: crosses below the chart.` : "",
  ];
  return {
    note: note.filter(Boolean).join(" "),
    option: {
      ...BRUSH,
      legend: { left: 0, top: 0, itemWidth: 14, itemHeight: 8, textStyle: { color: colour.soft },
        data: ["trial", "best so far", ...(infeasible.length ? ["infeasible"] : []), ...(running.length ? ["running"] : [])] },
      grid: grid({ top: 52, bottom: 52 }),
      tooltip: hint(colour, (data) => describe(shown, shown.trials[numberIn(data) ?? -1])),
      xAxis: axis(colour, "trial", { minInterval: 1, min: 0, max: Math.max(shown.trials.length - 1, 1), scale: false }),
      yAxis: [scaled(colour, metric, scale), { type: "value", min: 0, max: 1, show: false }],
      series: [
        { name: "other", type: "scatter", ...MANY, data: dimmed, symbolSize: 5, itemStyle: { color: colour.bad, opacity: 0.25 } },
        { name: "trial", type: "scatter", ...MANY, data: usual, symbolSize: usual.length > 2000 ? 3 : 7,
          itemStyle: { color: colour.point, opacity: usual.length > 500 ? 0.5 : 0.8 }, markLine: marks },
        { name: "infeasible", type: "scatter", data: infeasible, symbolSize: 7, symbol: "diamond",
          itemStyle: { color: "transparent", borderColor: colour.bad, borderWidth: 1.5 } },
        { name: "beyond", type: "scatter", data: outside, symbol: "triangle", symbolRotate: maximize ? 180 : 0,
          symbolSize: 9 },
        { name: "running", type: "scatter", data: running, symbolSize: 9,
          itemStyle: { color: "transparent", borderColor: colour.running, borderWidth: 2 } },
        { name: "without a value", type: "scatter", yAxisIndex: 1, data: without,
          symbol: "path://M0,0L2,0L5,3L8,0L10,0L10,2L7,5L10,8L10,10L8,10L5,7L2,10L0,10L0,8L3,5L0,2Z",
          symbolSize: 7, symbolOffset: [0, 8], clip: false, itemStyle: { color: colour.bad } },
        { name: "best so far", type: "line", step: "end", symbol: "none", silent: true, z: 4,
          lineStyle: { color: colour.best, width: 2 }, itemStyle: { color: colour.best },
          data: bestSoFar(shown).map(([number, value]) => [number, value, -1]) },
        { name: "best", type: "scatter", z: 5, symbolSize: 12, itemStyle: { color: colour.best, borderColor: colour.card, borderWidth: 2 },
          data: best && !reached ? [[best.number, shown.losses[best.number], best.number]] : [] },
      ],
    },
  };
}

/** Whether the goal is between the ends of the axis. */
function onAxis(shown: Study, scale: Scale, goal: number): boolean {
  const { min, max } = scale.bulk ?? extent(finite(shown));
  return min <= goal && goal <= max;
}
