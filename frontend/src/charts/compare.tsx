/** Experiments side by side: best so far, with bands over seeds; the same parameters overlaid. */

import { useMemo } from "preact/hooks";
import { type Group, type Row, band, groups, shared } from "../groups";
import { brief, clip } from "../numbers";
import { type Study, drawable, extent, leftOut, position } from "../study";
import type { Parameter } from "../types";
import { type Colours, type Drawn, type Option, Chart, axis, grid, hint, upright } from "./chart";
import { ends } from "./ends";
import { cutNote, scaled, type Scale, useScale } from "./scale";

export function Compare({ studies }: { studies: readonly Study[] }) {
  const { found, bands, values } = useMemo(() => {
    const found = groups(studies);
    const bands = found.map(band);
    return { found, bands, values: bands.flatMap((rows) => rows.flatMap(([, low, , high]) => [low, high])) };
  }, [studies]);
  const { scale, buttons } = useScale(values);
  const metrics = new Set(studies.map((shown) => shown.objective.metric));
  const goals = new Set(studies.map((shown) => shown.objective.maximize));
  return (
    <>
      {(metrics.size > 1 || goals.size > 1) && (
        <p role="alert">These experiments have different objectives ({[...metrics].join(", ")}): their values cannot be compared.</p>
      )}
      <section class="card wide">
        <h2>Best so far</h2>
        <Chart
          name="comparison"
          label={`Best so far of ${studies.length} experiments: ${studies.map((s) => `${s.name} ${s.best ? brief(s.losses[s.best.number] ?? NaN) : "none"}`).join(", ")}; lines: ${found.map((group) => group.name).join(", ")}`}
          height={380}
          of={[studies, scale.log, scale.bulk?.max]}
          draw={(colour) => ({
            note: [
              "Runs whose files differ in name, seed and maxTrialCount alone are one line, their median, with a band from the least to the greatest; it ends where the shortest of them does.",
              cutNote(scale, values, ["value", "values"], "lines leave the chart"),
            ].filter(Boolean).join(" "),
            option: lines(colour, found, bands, scale, [...metrics].join(", ")),
          })}
        >
          {buttons}
        </Chart>
      </section>
      <section class="card wide">
        <h2>Shared parameters</h2>
        <div class="small">
          {shared(studies).map((parameter) => (
            <Chart
              key={parameter.name}
              name={`shared-${clip(parameter.name, 40)}`}
              label={`Trials of each experiment over ${parameter.name}`}
              height={240}
              of={[studies, scale.log]}
              draw={(colour) => overlaid(colour, found, parameter)}
            />
          ))}
        </div>
      </section>
    </>
  );
}

function lines(colour: Colours, found: Group[], bands: Row[][], scale: Scale, metric: string): Option {
  return {
    legend: { top: 0, left: 0, type: "plain", data: found.map((group) => group.name), textStyle: { color: colour.ink }, formatter: (name: string) => clip(name, 60) },
    grid: grid({ top: 34 + 22 * Math.ceil(found.length / 2), bottom: 44 }),
    tooltip: { ...hint(colour, () => []), trigger: "item" , formatter: (given: { seriesName: string; data: number[] }) => {
      const box = document.createElement("div");
      box.textContent = `${clip(given.seriesName, 60)}: ${brief(given.data[1] ?? NaN)} after trial ${given.data[0]}`;
      return box;
    } },
    xAxis: axis(colour, "trial", { minInterval: 1, min: 0, scale: false }),
    yAxis: scaled(colour, metric, scale),
    series: found.flatMap((group, i) => {
      const paint = colour.groups[i % colour.groups.length];
      const rows = bands[i] ?? [];
      return [
        { type: "line", name: group.name, step: "end", symbol: "circle", symbolSize: 5, itemStyle: { color: paint }, lineStyle: { color: paint, width: 2.5, type: i >= colour.groups.length ? "dashed" : "solid" },
          data: rows.map(([step, , middle]) => [step, middle]) },
        ...(group.studies.length > 1 ? [{
          type: "custom", silent: true, z: 1, clip: true, name: `${group.name} band`,
          // Its rows say how far the axis reaches; the band is drawn with the first of them.
          data: rows, encode: { x: 0, y: [1, 2, 3] },
          renderItem: ({ dataIndex }: { dataIndex: number }, api: { coord(at: number[]): [number, number] }) => {
            if (dataIndex) return null;
            const stairs = (which: 1 | 3) => rows.flatMap((row, n) => {
              const before = rows[n - 1];
              const at = api.coord([row[0], row[which]]);
              return before ? [api.coord([row[0], before[which]]), at] : [at];
            });
            return { type: "polygon", shape: { points: [...stairs(1), ...stairs(3).reverse()] }, style: { fill: paint, opacity: 0.18 } };
          },
        }] : []),
      ];
    }),
  };
}

function overlaid(colour: Colours, found: Group[], parameter: Parameter): Drawn {
  const all = found.flatMap((group) => group.studies);
  const losses = all.flatMap((shown) => [...shown.losses].filter(Number.isFinite));
  const span = extent(losses);
  const known = all.flatMap((shown) => shown.trials.map((trial) => position(parameter, trial.values[shown.parameters.findIndex(({ name }) => name === parameter.name)] ?? "")));
  const across = ends(parameter, known);
  const fits = (at: number, log: boolean) => Number.isFinite(at) && (log || drawable(at));
  const points = found.map((group) => group.studies.flatMap((shown) => {
    const i = shown.parameters.findIndex((other) => other.name === parameter.name);
    return shown.trials.flatMap((trial, place) => {
      const text = trial.values[i] ?? null;
      const at = [text === null ? NaN : position(parameter, text), shown.losses[place] ?? NaN];
      return fits(at[0] ?? NaN, across["type"] === "log") && fits(at[1] ?? NaN, span.log) ? [at] : [];
    });
  }));
  const without = all.reduce((sum, shown) => sum + shown.trials.length, 0) - points.reduce((sum, of) => sum + of.length, 0);
  const metric = all[0]?.objective.metric ?? "";
  const named = (at: number) => (parameter.type === "categorical" ? parameter.list?.[at] ?? "" : brief(at));
  const option: Option = {
    grid: grid({ top: 30, bottom: 40 }),
    tooltip: hint(colour, (data) => { const [at, loss] = data as [number, number]; return [`${clip(parameter.name)} = ${named(at)}`, `${metric} ${brief(loss)}`]; }),
    xAxis: axis(colour, parameter.name, across),
    yAxis: upright(colour, metric + (span.log ? " (log)" : ""), { type: span.log ? "log" : "value" }),
    series: found.map((group, i) => ({ type: "scatter", name: group.name, symbol: ["circle", "rect", "triangle", "diamond"][i % 4], symbolSize: 6,
      itemStyle: { color: colour.groups[i % colour.groups.length], opacity: 0.6 }, data: points[i] })),
  };
  return { option, note: leftOut(without, "without a value, or one beyond what an axis can show") };
}
