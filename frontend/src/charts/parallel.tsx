/** Parallel coordinates: a line for each trial through all of its parameters; axes can be brushed. */

import { useRef } from "preact/hooks";
import { brief, clip } from "../numbers";
import { select, selected, selectedIn } from "../state";
import { type Study, column, drawable, extent, leftOut, ranked, sampled, valued } from "../study";
import { type Chosen, type Colours, type Drawn, type Instance, Chart } from "./chart";
import { INACTIVE, clamped, placed } from "./ends";

const WHERE = "parallel";
/** Lines: more are one grey, and each move of a brush draws them all. */
const MOST = 300;
/** Room beside the axes. */
const LEFT = 44;
const RIGHT = 64;

export function Parallel({ shown }: { shown: Study }) {
  const chart = useRef<Instance | null>(null);
  const known = useRef(shown);
  known.current = shown;
  const count = valued(shown).length;
  if (!count) return <p class="empty">No trial has a value yet.</p>;
  const clear = () => {
    const axes = shown.parameters.length + 1;
    for (let i = 0; i < axes; i++) {
      chart.current?.dispatchAction({ type: "axisAreaSelect", parallelAxisId: `a${i}`, intervals: [] });
    }
    select(null, WHERE);
  };
  return (
    <Chart
      name="parallel-coordinates"
      label={`Parallel coordinates of ${count} trials and ${shown.parameters.length} parameters`}
      height={360}
      of={[shown]}
      // What is brushed here, the chart shows by itself.
      chosen={() => (selectedIn.value === WHERE ? null : selected.value)}
      draw={(colour, selection, width) => drawn(shown, colour, selection, width)}
      events={(made) => {
        chart.current = made;
        made.on("axisareaselected", () => select(within(made, known.current), WHERE));
      }}
    >
      <span class="help">Drag along an axis to select; click on it to clear.</span>
      <button type="button" onClick={clear}>clear</button>
    </Chart>
  );
}

interface Axis {
  activeIntervals?: [number, number][];
}

/** Numbers of all trials, drawn or not, that are within what is marked on each axis; null: nothing is. */
function within(chart: Instance, shown: Study): number[] | null {
  const model = (chart as unknown as { getModel(): { getComponent(kind: string, i: number): Axis | undefined } }).getModel();
  const marked = [...shown.parameters, null].flatMap((_, i) => {
    const intervals = model.getComponent("parallelAxis", i)?.activeIntervals ?? [];
    return intervals.length ? [{ i, intervals }] : [];
  });
  if (!marked.length) return null;
  const columns = marked.map(({ i }) => (i < shown.parameters.length ? column(shown, i) : shown.losses));
  const nones = marked.map(({ i }) => (i < shown.parameters.length ? placed(shown, i).none : NaN));
  return valued(shown).filter((place) => marked.every(({ intervals }, n) => {
    const known = columns[n]?.[place] ?? NaN;
    const value = Number.isNaN(known) ? nones[n] ?? NaN : known;
    return intervals.some(([low, high]) => low <= value && value <= high);
  }));
}

function drawn(shown: Study, colour: Colours, chosen: Chosen, width: number): Drawn {
  const gap = (width - LEFT - RIGHT) / shown.parameters.length;
  // The best are drawn last, on top; colours are ranks among all, drawn or not.
  const all = ranked(shown);
  const ranks = new Map(all.map((place, rank) => [place, all.length > 1 ? rank / (all.length - 1) : 1]));
  const places = sampled(all, MOST, chosen);
  const best = all[all.length - 1];
  if (best !== undefined && places[places.length - 1] !== best) places.push(best);
  const inactive = new Set<number>();
  const far = new Set<number>();
  const kept = (place: number, value: number, log: boolean) => {
    if (log || drawable(value)) return value;
    far.add(place);
    return NaN;
  };
  const axes = shown.parameters.map((_, i) => placed(shown, i));
  const columns = axes.map(({ axis, none }, i) => places.map((place) => {
    const value = column(shown, i)[place] ?? NaN;
    if (Number.isNaN(value)) inactive.add(place);
    return Number.isNaN(value) ? none : kept(place, value, axis["type"] !== "value");
  }));
  const span = extent(all.map((place) => shown.losses[place] ?? NaN));
  const losses = places.map((place) => kept(place, shown.losses[place] ?? NaN, span.log));
  const { min, max } = span.log ? span : clamped(span.min, span.max);
  const text = (least: number) => ({
    color: colour.soft,
    formatter: (v: number | string) => (
      typeof v === "string" ? clip(v, Math.max(Math.floor(gap / 7), 3)) : v < least ? INACTIVE : brief(v, gap < 60 ? 2 : 3)
    ),
  });
  const style = {
    nameTextStyle: { color: colour.ink }, axisLine: { lineStyle: { color: colour.soft } },
    axisTick: { lineStyle: { color: colour.line } }, nameRotate: gap < 110 ? 18 : 0,
    areaSelectStyle: { color: colour.best, borderColor: colour.best, opacity: 0.3, width: 16 },
  };
  const data = places.map((place, row) => {
    const rank = ranks.get(place) ?? 1;
    const best = place === shown.best?.number;
    const dim = chosen !== null && !chosen.has(place);
    return {
      value: [...columns, losses].map((column) => { const v = column[row] ?? NaN; return Number.isNaN(v) ? "-" : v; }),
      lineStyle: {
        color: dim ? colour.bad : best ? colour.best : mixed(colour.order, rank),
        width: best ? 3 : 1,
        opacity: dim ? 0.06 : best ? 1 : places.length > 250 ? 0.4 : 0.25 + 0.5 * rank,
      },
    };
  });
  const note = [
    `From blue, the worst ${shown.objective.metric}, to yellow, the best.`,
    places.length < all.length ? `${places.length} of ${all.length} trials are drawn, evenly by rank; all can be selected.` : "",
    inactive.size ? `${inactive.size} trials have inactive parameters: their condition is not met.` : "",
    far.size ? `${far.size} trials have values beyond what an axis can show; their lines pass over it.` : "",
    leftOut(shown.trials.length - all.length, "without a value"),
  ];
  return {
    note: note.filter(Boolean).join(" "),
    option: {
      parallel: { left: LEFT, right: RIGHT, top: 44, bottom: 20 },
      parallelAxis: [
        ...shown.parameters.map((declared, i) => ({
          id: `a${i}`, dim: i, name: clip(declared.name, 16) + (declared.log ? " (log)" : ""), ...style, axisLabel: text(axes[i]?.least ?? -Infinity), ...axes[i]?.axis, ...(i ? {} : { nameTextStyle: { ...style.nameTextStyle, align: style.nameRotate ? "center" : "left" } }),
        })),
        { id: `a${shown.parameters.length}`, dim: shown.parameters.length, name: clip(shown.objective.metric, 16) + (span.log ? " (log)" : ""),
          ...style, axisLabel: text(-Infinity), type: span.log ? "log" : "value", min, max: max > min ? max : min + 1 },
      ],
      series: [{ type: "parallel", data, smooth: false, progressive: 1000, inactiveOpacity: 0.02, activeOpacity: 0.6 }],
    },
  };
}

/** A colour between those of a scale; `part` is from 0 to 1. */
export function mixed(scale: readonly string[], part: number): string {
  const at = Math.min(Math.max(part, 0), 1) * (scale.length - 1);
  const low = Math.floor(at);
  const [a, b] = [scale[low] ?? "#000", scale[Math.min(low + 1, scale.length - 1)] ?? "#000"];
  const channel = (i: number) => {
    const [from, to] = [parseInt(a.slice(i, i + 2), 16), parseInt(b.slice(i, i + 2), 16)];
    return Math.round(from + (to - from) * (at - low));
  };
  return `rgb(${channel(1)},${channel(3)},${channel(5)})`;
}
