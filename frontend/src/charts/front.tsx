/** The trade-off between several objectives: the trials that no other is better than in all of them. */

import { useState } from "preact/hooks";
import { numberOf } from "../numbers";
import { chosen } from "../state";
import { ACTIVE, JUDGED, type Study, drawable, extent, leftOut } from "../study";
import { type Chosen, type Colours, type Option, Chart, axis, describe, grid, hint, upright } from "./chart";
import { Choose } from "./choose";
import { BRUSH, selectable } from "./history";
import { numberIn } from "./points";

type Point = [number, number, number];

export function Front({ shown }: { shown: Study }) {
  const [x, setX] = useState(0);
  const [y, setY] = useState(1);
  const all = shown.objective.objectives;
  const front = shown.front ?? [];
  if (!shown.trials.some((trial) => trial.feasible !== null)) return <p class="empty">No trial has a value of each objective yet.</p>;
  const names = all.map(({ metric }) => metric);
  return (
    <Chart
      name="trade-off"
      label={`Trade-off between ${names.join(", ")}: trials ${front.join(", ") || "none"}`}
      height={360}
      of={[shown, x, y]}
      chosen={chosen}
      events={(chart) => selectable(chart, "front")}
      draw={(colour, selection) => ({
        note: [
          `${front.length} ${front.length === 1 ? "trial is" : "trials are"} the trade-off: no feasible trial is better in one objective and as good in all others.`,
          shown.objective.constraints.length ? "Hollow: infeasible." : "",
          leftOut(plane(shown, x, y).without, "a value of an objective is lacking, or beyond what an axis can show"),
          all.length > 2 ? `There are ${all.length} objectives: a trial of the trade-off may look worse in two of them.` : "",
        ].filter(Boolean).join(" "),
        option: drawn(shown, colour, x, y, selection),
      })}
    >
      {all.length > 2 && <Choose label="across" names={names} value={x} set={setX} />}
      {all.length > 2 && <Choose label="up" names={names} value={y} set={setY} />}
    </Chart>
  );
}

/** The trials by two objectives, whether their axes are logarithmic, and how many that have ended have no place there. */
function plane(shown: Study, x: number, y: number): { points: Point[]; logs: boolean[]; without: number } {
  const { objectives, metrics } = shown.objective;
  const places = [x, y].map((i) => metrics.indexOf(objectives[i]?.metric ?? ""));
  const ended = shown.trials.filter((trial) => !ACTIVE.has(trial.condition));
  const known = ended.filter((trial) => JUDGED.has(trial.condition)).map((trial): Point =>
    [numberOf(trial.metrics[places[0] ?? -1]), numberOf(trial.metrics[places[1] ?? -1]), trial.number]).filter((point) => point.every(Number.isFinite));
  const logs = [0, 1].map((i) => extent(known.map((point) => point[i] ?? 0)).log);
  const points = known.filter((point) => logs.every((log, i) => log || drawable(point[i] ?? NaN)));
  return { points, logs, without: ended.length - points.length };
}

function drawn(shown: Study, colour: Colours, x: number, y: number, chosen: Chosen): Option {
  const { objectives } = shown.objective;
  const [across, up] = [objectives[x], objectives[y]];
  const { points, logs } = plane(shown, x, y);
  const front = new Set(shown.front ?? []);
  const best = points.filter(([, , number]) => front.has(number)).sort((a, b) => a[0] - b[0]);
  const rest = points.filter(([, , number]) => !front.has(number) && shown.trials[number]?.feasible !== false);
  const broken = points.filter(([, , number]) => shown.trials[number]?.feasible === false);
  const scaled = (i: number) => ({ type: logs[i] ? "log" : "value" });
  const named = (objective: typeof across, i: number) =>
    `${objective?.metric ?? ""} (${objective?.maximize ? "more is better" : "less is better"}${logs[i] ? ", log" : ""})`;
  const dimmed = (of: Point[], opacity: number, more: Option = {}) =>
    of.map((value) => ({ value, itemStyle: { ...more, opacity: chosen && !chosen.has(value[2]) ? 0.12 : opacity } }));
  return {
    ...BRUSH,
    legend: { left: 0, top: 0, itemWidth: 14, itemHeight: 8, textStyle: { color: colour.soft }, data: ["trade-off", "other trials", ...(broken.length ? ["infeasible"] : [])] },
    grid: grid({ top: 56, bottom: 44 }),
    tooltip: hint(colour, (data) => describe(shown, shown.trials[numberIn(data) ?? -1])),
    xAxis: axis(colour, named(across, 0), scaled(0)),
    yAxis: upright(colour, named(up, 1), scaled(1)),
    series: [
      { name: "infeasible", type: "scatter", symbolSize: 7, itemStyle: { color: "transparent", borderColor: colour.bad, borderWidth: 1.5 },
        data: dimmed(broken, 0.8, { color: "transparent", borderColor: colour.bad, borderWidth: 1.5 }) },
      { name: "other trials", type: "scatter", symbolSize: 7, itemStyle: { color: colour.point }, data: dimmed(rest, 0.6, { color: colour.point }) },
      // With two objectives nothing feasible lies beyond the stairs.
      ...(objectives.length === 2 ? [{ name: "stairs", type: "line", silent: true, symbol: "none", z: 3, step: across?.maximize ? "start" : "end",
        lineStyle: { color: colour.best, width: 1.5, type: "dashed" }, data: best.map(([a, b]) => [a, b]) }] : []),
      { name: "trade-off", type: "scatter", z: 4, symbolSize: 10, itemStyle: { color: colour.best, borderColor: colour.card, borderWidth: 1.5 },
        data: dimmed(best, 1, { color: colour.best, borderColor: colour.card, borderWidth: 1.5 }) },
    ],
  };
}
