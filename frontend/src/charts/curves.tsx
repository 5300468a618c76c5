/** The reports of each trial, and where a rule stops it. */

import { useMemo } from "preact/hooks";
import { brief } from "../numbers";
import { chosen, opened } from "../state";
import { ACTIVE, type Study } from "../study";
import { type Chosen, type Colours, type Drawn, Chart, axis, describe, grid, hint } from "./chart";
import { beyond, cutNote, scaled, type Scale, useScale } from "./scale";

const THRESHOLDS = 5;

export function Curves({ shown }: { shown: Study }) {
  const values = useMemo(() => Object.values(shown.curves).flatMap((curve) => curve.map((point) => point[1])), [shown]);
  const { scale, buttons } = useScale(values);
  if (!values.length) return <p class="empty">No trial has reported {shown.objective.metric} more than once.</p>;
  return (
    <Chart
      name="learning-curves"
      label={`Learning curves of ${Object.keys(shown.curves).length} trials`}
      draw={(colour, selection) => drawn(shown, colour, scale, selection, values)}
      of={[shown, scale.log, scale.bulk?.max]}
      chosen={chosen}
      events={(chart) =>
        chart.on("click", (event) => {
          const number = Number(event.seriesId);
          if (event.seriesId && Number.isInteger(number)) opened.value = number;
        })
      }
    >
      {buttons}
    </Chart>
  );
}

function drawn(shown: Study, colour: Colours, scale: Scale, chosen: Chosen, values: readonly number[]): Drawn {
  const { metric } = shown.objective;
  const thresholds = new Map<string, [number, number]>();
  for (const trial of shown.trials) {
    for (const [name, value, , start] of trial.rules) {
      if (name === metric && shown.curves[trial.number]) thresholds.set(`${start} ${value}`, [start, value]);
    }
  }
  // Rules move as trials end: the last few are those that stop what runs now.
  const latest = [...thresholds.values()].slice(-THRESHOLDS);
  const compared = latest.filter(([, at]) => (!scale.log || at > 0) && !beyond(scale, at));
  const hidden = latest.length - compared.length;
  const of = Object.entries(shown.curves).map(([key, curve]) => ({ number: Number(key), curve }));
  const series = of.map(({ number, curve }) => {
    const trial = shown.trials[number];
    const active = trial !== undefined && ACTIVE.has(trial.condition);
    const best = number === shown.best?.number;
    const dim = chosen !== null && !chosen.has(number);
    return {
      // One point alone has no line.
      id: String(number), type: "line", symbol: curve.length === 1 ? "circle" : "none", symbolSize: 5, itemStyle: { color: colour.point }, triggerLineEvent: true,
      z: best ? 5 : active ? 4 : 2,
      emphasis: { lineStyle: { width: 4 } },
      lineStyle: {
        color: dim ? colour.bad : best ? colour.best : active ? colour.running : colour.point,
        width: best || active ? 2.5 : 1.2,
        opacity: dim ? 0.15 : best || active ? 1 : of.length > 60 ? 0.35 : 0.6,
        type: trial?.condition === "EarlyStopped" ? "dashed" : "solid",
      },
      data: scale.log ? curve.filter(([, value]) => value > 0) : curve,
    };
  });
  const unseen = of.reduce((sum, { number, curve }) => sum + Math.max((shown.trials[number]?.reports ?? 0) - curve.length, 0), 0);
  const single = shown.trials.filter(({ reports }) => reports === 1).length;
  const note = [
    cutNote(scale, values, ["report", "reports"], "lines leave the chart"),
    "Dashed: stopped early.",
    latest.length ? `Bars: where the ${latest.length === 1 ? "rule compares" : `last ${latest.length} rules compare`}, and with what.` : "",
    hidden ? `${hidden} of these ${hidden === 1 ? "is" : "are"} beyond the axis.` : "",
    unseen ? `${unseen} ${unseen === 1 ? "report is" : "reports are"} not drawn: no finite number, or within the range of those beside it in a long curve.` : "",
    single ? `${single} ${single === 1 ? "trial has" : "trials have"} one report and no line.` : "",
    shown.curvesLeftOut ? `The ${shown.curvesLeftOut} earliest curves are left out.` : "",
  ];
  return {
    note: note.filter(Boolean).join(" "),
    option: {
      grid: grid({ top: 36, bottom: 44 }),
      tooltip: { ...hint(colour, () => []), ...byCurve(shown, colour) },
      dataZoom: [{ type: "inside", zoomOnMouseWheel: "ctrl", moveOnMouseWheel: false }],
      xAxis: axis(colour, "report", { minInterval: 1 }),
      yAxis: scaled(colour, metric, scale),
      series: [
        ...series,
        { id: "thresholds", type: "scatter", z: 6, symbol: "rect", symbolSize: [26, 2.5],
          itemStyle: { color: colour.ink, opacity: 0.85 },
          data: compared },
      ],
    },
  };
}

function byCurve(shown: Study, colour: Colours) {
  return {
    formatter: (given: { seriesId: string; data: [number, number] }) => {
      const box = document.createElement("div");
      box.style.color = colour.ink;
      const number = Number(given.seriesId);
      const lines = Number.isInteger(number)
        ? describe(shown, shown.trials[number])
        : [`stopped if not better than ${brief(given.data[1])} at report ${given.data[0]}`];
      for (const line of lines) {
        const row = document.createElement("div");
        row.textContent = line.slice(0, 90);
        box.append(row);
      }
      return box;
    },
  };
}
