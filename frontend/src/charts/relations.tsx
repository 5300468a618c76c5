/** Which parameters matter, and what goes with what. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { brief, clip } from "../numbers";
import { importance } from "../source";
import { type Study, column, rankCorrelations, valued } from "../study";
import type { Importance as Found } from "../types";
import { type Colours, type Option, Chart, axis, grid, hint } from "./chart";
import { mixed } from "./parallel";

export function Importance({ shown, id }: { shown: Study; id: string | null }) {
  const [found, setFound] = useState<Found | null>(shown.importance ?? null);
  const ended = [...shown.losses].filter(Number.isFinite).length;
  // Not at each trial of a long experiment: when a tenth more have ended.
  const step = Math.floor(Math.log(Math.max(ended, 1)) / Math.log(1.1));
  useEffect(() => {
    if (id === null) return;
    let here = true;
    importance(id).then(
      (made) => here && setFound(made),
      (error: Error) => here && setFound({ error: error.message }),
    );
    return () => { here = false; };
  }, [id, step]);
  if (!found) return <p class="empty">{id === null ? "It was not computed." : "Computing…"}</p>;
  if (found.error !== undefined) return <p class="empty">{found.error}</p>;
  const rows = [...(found.parameters ?? [])].sort((a, b) => a.mean - b.mean);
  const explained = found.explained ?? 0;
  const judged = explained < 0.2 ? " That is little: the bars mean little." : "";
  const note =
    `Loss of explained variance when a parameter is shuffled; lines: one standard deviation. The model ` +
    `explains ${brief(Math.max(explained, 0) * 100, 2)} % of the variance of ranks of trials it has not seen ` +
    `(${found.trials} trials).${judged}`;
  return (
    <Chart
      name="importance"
      label={`Importance of parameters, the greatest first: ${rows.toReversed().map((row) => `${row.name} ${brief(row.mean, 2)}`).join(", ")}`}
      height={Math.max(120, 60 + 26 * rows.length)}
      of={[found]}
      draw={(colour) => ({ note, option: bars(colour, rows) })}
    />
  );
}

function bars(colour: Colours, rows: NonNullable<Found["parameters"]>): Option {
  return {
    grid: grid({ top: 8, bottom: 40 }),
    tooltip: hint(colour, (data) => {
      const row = rows[(data as [number, number])[1]];
      return row ? [row.name, `${brief(row.mean, 3)} ± ${brief(row.deviation, 2)}`] : [];
    }),
    xAxis: axis(colour, "loss of explained variance", { scale: false }),
    yAxis: axis(colour, "", { type: "category", data: rows.map((row) => clip(row.name, 18)), axisLabel: { color: colour.ink } }),
    series: [
      { type: "bar", barWidth: "55%", itemStyle: { color: colour.point }, data: rows.map((row, i) => [Math.max(row.mean, 0), i]) },
      {
        type: "custom", z: 5, encode: { x: [0, 1], y: 2 },
        data: rows.map((row, i) => [row.mean - row.deviation, row.mean + row.deviation, i]),
        renderItem: (_: unknown, api: { value(i: number): number; coord(at: number[]): [number, number] }) => {
          const [x1, y] = api.coord([api.value(0), api.value(2)]);
          const [x2] = api.coord([api.value(1), api.value(2)]);
          return { type: "path", shape: { d: `M${x1},${y}H${x2}M${x1},${y - 4}V${y + 4}M${x2},${y - 4}V${y + 4}` },
            style: { stroke: colour.ink, fill: "none", lineWidth: 1.5 } };
        },
      },
    ],
  };
}

export function Correlation({ shown }: { shown: Study }) {
  const places = valued(shown);
  const numeric = shown.parameters.map((declared, i) => ({ declared, i })).filter(({ declared }) => declared.type !== "categorical");
  const names = [...numeric.map(({ declared }) => declared.name), shown.objective.metric];
  const data = useMemo(() => correlations(shown, numeric.map(({ i }) => i), places), [shown]);
  if (!numeric.length || places.length < 3) return <p class="empty">Needs a numeric parameter and three trials with a value.</p>;
  const metric = names.length - 1;
  const words = data.filter(([i, j]) => i !== metric && j === metric).map(([i, , value]) => `${names[Number(i)]} ${value}`);
  return (
    <Chart
      name="correlation"
      label={`Rank correlation with ${shown.objective.metric}: ${words.join(", ")}`}
      height={Math.max(220, 80 + 30 * names.length)}
      of={[shown]}
      draw={(colour) => ({
        note: "Spearman's rank correlation of the numeric parameters and the objective. A search that follows good trials makes correlations of its own.",
        option: {
          grid: grid({ top: 8, bottom: 8 }),
          tooltip: hint(colour, (of) => { const [i, j, value] = (of as { value: [number, number, number | string] }).value; return [`${names[i]} and ${names[j]}`, String(value)]; }),
          xAxis: axis(colour, "", { type: "category", data: names.map((name) => clip(name, 12)), splitLine: { show: false }, axisLabel: { color: colour.ink, rotate: names.length > 5 ? 40 : 0, interval: 0 } }),
          yAxis: axis(colour, "", { type: "category", data: names.map((name) => clip(name, 14)), splitLine: { show: false }, axisLabel: { color: colour.ink } }),
          visualMap: { show: false, min: -1, max: 1, dimension: 2, inRange: { color: [mixed(["#b84a00", "#ffffff"], 0), colour.card, "#0072b2"] } },
          series: [{ type: "heatmap", data: data.map((value) => ({ value, label: { color: Math.abs(Number(value[2])) > 0.6 ? "#ffffff" : colour.ink } })), label: { show: names.length <= 9, color: colour.ink, formatter: ({ value }: { value: [number, number, number | string] }) => (typeof value[2] === "number" ? value[2].toFixed(2) : "–") } }],
        },
      })}
    />
  );
}

/** Row, column and correlation of the numeric parameters, and of the objective as the last one. */
function correlations(shown: Study, numeric: readonly number[], places: readonly number[]): (readonly [number, number, number | string])[] {
  const columns = [
    ...numeric.map((i) => { const all = column(shown, i); return places.map((place) => all[place] ?? NaN); }),
    places.map((place) => shown.losses[place] ?? NaN),
  ];
  return rankCorrelations(columns).flatMap((row, i) => row.map((found, j) =>
    [i, j, Number.isNaN(found) ? "-" : Number(found.toFixed(3))] as const));
}
