/** Experiments side by side: best so far, with bands over seeds; the same parameters overlaid. */

import { brief, clip } from "../numbers";
import { type Study, coordinate, extent } from "../study";
import { type Colours, type Option, Chart, axis, grid, hint, upright } from "./chart";
import { bestSoFar } from "./history";
import { ends } from "./parallel";
import { edge, scaled, type Scale, useScale } from "./scale";

/** Experiments that differ at most in their seed. */
export interface Group {
  name: string;
  studies: Study[];
}

export function groups(studies: readonly Study[]): Group[] {
  const made = new Map<string, Group>();
  for (const shown of studies) {
    const { random_state: _, ...settings } = shown.algorithm.settings;
    const words = Object.entries(settings).sort().map(([name, value]) => `${name}=${value}`);
    const key = JSON.stringify([shown.algorithm.name, words, shown.parameters, shown.objective.metric, shown.earlyStopping]);
    const group = made.get(key) ?? { name: [shown.algorithm.name, ...words].join(" "), studies: [] };
    group.studies.push(shown);
    made.set(key, group);
  }
  const found = [...made.values()];
  for (const group of found) {
    if (group.studies.length === 1) group.name = `${group.studies[0]?.name}: ${group.name}`;
    else group.name = `${group.name} (${group.studies.length} runs)`;
  }
  return found;
}

/** The best of each run after each number of trials: least, median and greatest over the runs. */
export function band(group: Group): [number, number, number, number][] {
  const fronts = group.studies.map(bestSoFar).filter((front) => front.length);
  const steps = [...new Set(fronts.flatMap((front) => front.map((point) => point[0])))].sort((a, b) => a - b);
  const at = (front: [number, number][], step: number) => front.findLast((point) => point[0] <= step)?.[1];
  return steps.flatMap((step) => {
    const values = fronts.map((front) => at(front, step)).filter((value) => value !== undefined).sort((a, b) => a - b);
    const middle = values[Math.floor((values.length - 1) / 2)];
    const other = values[Math.ceil((values.length - 1) / 2)];
    // Only where all runs have a value: else the band would jump where one begins.
    if (values.length < fronts.length || middle === undefined || other === undefined) return [];
    return [[step, values[0] ?? middle, (middle + other) / 2, values[values.length - 1] ?? middle] as [number, number, number, number]];
  });
}

export function Compare({ studies }: { studies: readonly Study[] }) {
  const found = groups(studies);
  const bands = found.map(band);
  const values = bands.flatMap((rows) => rows.flatMap(([, low, , high]) => [low, high]));
  const { scale, buttons } = useScale(values);
  const metrics = new Set(studies.map((shown) => shown.objective.metric));
  const goals = new Set(studies.map((shown) => shown.objective.maximize));
  const shared = (studies[0]?.parameters ?? []).filter((parameter) =>
    studies.every((shown) => shown.parameters.some((other) => other.name === parameter.name && other.type === parameter.type)),
  );
  return (
    <>
      {(metrics.size > 1 || goals.size > 1) && (
        <p role="alert">These experiments have different objectives ({[...metrics].join(", ")}): their values cannot be compared.</p>
      )}
      <section class="card wide">
        <h2>Best so far</h2>
        <Chart
          name="comparison"
          label={`Best so far of ${studies.length} experiments: ${studies.map((s) => `${s.name} ${s.best ? brief(s.losses[s.best.number] ?? NaN) : "none"}`).join(", ")}`}
          height={380}
          of={[studies, scale.log, scale.bulk?.max]}
          draw={(colour) => ({
            note: "Runs that differ in their seed alone are one line, their median, with a band from the least to the greatest.",
            option: lines(colour, found, bands, scale, [...metrics].join(", ")),
          })}
        >
          {buttons}
        </Chart>
      </section>
      <section class="card wide">
        <h2>Shared parameters</h2>
        <div class="small">
          {shared.map((parameter) => (
            <Chart
              key={parameter.name}
              name={`shared-${clip(parameter.name, 40)}`}
              label={`Trials of each experiment over ${parameter.name}`}
              height={240}
              of={[studies, scale.log]}
              draw={(colour) => ({ option: overlaid(colour, found, parameter.name) })}
            />
          ))}
        </div>
      </section>
    </>
  );
}

function lines(colour: Colours, found: Group[], bands: ReturnType<typeof band>[], scale: Scale, metric: string): Option {
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
          data: rows.map(([step, , middle]) => [step, edge(scale, middle)]) },
        ...(group.studies.length > 1 ? [{
          type: "custom", silent: true, z: 1, clip: true, name: `${group.name} band`,
          data: rows.length ? [rows.map((_, n) => n).slice(0, 1)] : [],
          renderItem: (_: unknown, api: { coord(at: number[]): [number, number] }) => {
            const stairs = (which: 1 | 3) => rows.flatMap((row, n) => {
              const before = rows[n - 1];
              const value = edge(scale, row[which]);
              return before ? [api.coord([row[0], edge(scale, before[which])]), api.coord([row[0], value])] : [api.coord([row[0], value])];
            });
            return { type: "polygon", shape: { points: [...stairs(1), ...stairs(3).reverse()] }, style: { fill: paint, opacity: 0.18 } };
          },
        }] : []),
      ];
    }),
  };
}

function overlaid(colour: Colours, found: Group[], name: string): Option {
  const all = found.flatMap((group) => group.studies);
  const losses = all.flatMap((shown) => [...shown.losses].filter(Number.isFinite));
  const span = extent(losses);
  const declared = all[0]?.parameters.find((parameter) => parameter.name === name);
  const points = found.map((group) => group.studies.flatMap((shown) => {
    const i = shown.parameters.findIndex((parameter) => parameter.name === name);
    return shown.trials.flatMap((trial, place) => {
      const at = [coordinate(shown, trial, i), shown.losses[place] ?? NaN];
      return at.every(Number.isFinite) ? [at] : [];
    });
  }));
  const values = points.flatMap((of) => of.map((at) => at[0] ?? NaN));
  const metric = all[0]?.objective.metric ?? "";
  return {
    grid: grid({ top: 30, bottom: 40 }),
    tooltip: hint(colour, (data) => (data as number[]).map((value) => brief(value))),
    xAxis: axis(colour, name, declared ? ends(declared, values) : {}),
    yAxis: upright(colour, metric + (span.log ? " (log)" : ""), { type: span.log ? "log" : "value" }),
    series: found.map((group, i) => ({ type: "scatter", name: group.name, symbol: ["circle", "rect", "triangle", "diamond"][i % 4], symbolSize: 6,
      itemStyle: { color: colour.groups[i % colour.groups.length], opacity: 0.6 }, data: points[i] })),
  };
}
