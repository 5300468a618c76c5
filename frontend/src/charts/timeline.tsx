/** When each slot ran which trial. */

import { useMemo } from "preact/hooks";
import { duration } from "../numbers";
import { chosen, opened } from "../state";
import { type Bar, rows } from "../rows";
import { type Study, leftOut } from "../study";
import { type Chosen, type Colours, type Option, Chart, axis, describe, grid, hint } from "./chart";

export function Timeline({ shown }: { shown: Study }) {
  const bars = useMemo(() => rows(shown, Date.now()), [shown]);
  if (!bars.length) return <p class="empty">No trial has begun.</p>;
  const count = bars.reduce((most, bar) => Math.max(most, bar.slot + 1), 0);
  return (
    <Chart
      name="timeline"
      label={`Timeline of ${bars.length} trials, at most ${count} at a time`}
      height={Math.min(90 + 26 * count, 420)}
      of={[shown]}
      chosen={chosen}
      draw={(colour, selection) => ({
        note: `Blue: succeeded; pale: stopped early; grey: failed; green: running. Drag the lower bar to zoom. ${leftOut(shown.trials.length - bars.length, "not begun")}`.trim(),
        option: option(shown, colour, bars, count, selection),
      })}
      events={(chart) =>
        chart.on("click", (event) => {
          const number = (event.data as number[] | undefined)?.[3];
          if (number !== undefined) opened.value = number;
        })
      }
    />
  );
}

function option(shown: Study, colour: Colours, bars: Bar[], count: number, chosen: Chosen): Option {
  const begin = bars[0]?.begin ?? 0;
  const paint = (condition: string) =>
    condition === "Running" ? colour.running
    : condition === "Failed" || condition === "MetricsUnavailable" || condition === "Killed" ? colour.bad
    : colour.point;
  return {
    grid: grid({ top: 8, bottom: 62, right: 40 }),
    tooltip: hint(colour, (data) => {
      const [, from, to, number] = data as number[];
      return [...describe(shown, shown.trials[number ?? -1]), duration((to ?? 0) - (from ?? 0))];
    }),
    dataZoom: [{ type: "slider", height: 16, bottom: 6, borderColor: colour.line, textStyle: { color: colour.soft },
      labelFormatter: (value: number) => duration(value) }],
    xAxis: axis(colour, "time since the first trial", { scale: false, min: 0, axisLabel: { color: colour.soft, hideOverlap: true, formatter: (value: number) => duration(value) } }),
    yAxis: axis(colour, "", { type: "category", inverse: true, data: Array.from({ length: count }, (_, i) => String(i + 1)), axisLabel: { color: colour.ink } }),
    series: [{
      type: "custom", clip: true, encode: { x: [1, 2], y: 0 }, progressive: 0,
      data: bars.map((bar) => [bar.slot, (bar.begin - begin) / 1000, (bar.end - begin) / 1000, bar.number]),
      renderItem: (_: unknown, api: Api) => {
        const [x1, y] = api.coord([api.value(1), api.value(0)]);
        const [x2] = api.coord([api.value(2), api.value(0)]);
        const height = Math.min((api.size([0, 1])[1] ?? 10) * 0.7, 22);
        const trial = shown.trials[api.value(3)];
        const dim = chosen !== null && !chosen.has(api.value(3));
        const early = trial?.condition === "EarlyStopped";
        const best = trial?.number === shown.best?.number;
        return {
          type: "rect",
          shape: { x: x1, y: y - height / 2, width: Math.max(x2 - x1 - 0.5, 1), height },
          style: {
            fill: best ? colour.best : paint(trial?.condition ?? ""), opacity: dim ? 0.2 : early ? 0.45 : 0.9,
            stroke: early ? colour.point : colour.card, lineWidth: early ? 1 : 0.5,
          },
        };
      },
    }],
  };
}

interface Api {
  value(i: number): number;
  coord(at: number[]): [number, number];
  size(of: number[]): number[];
}
