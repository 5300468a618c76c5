/** The objective over each parameter, and over pairs of them; coloured by order. */

import { useState } from "preact/hooks";
import { latest, once } from "../memo";
import { chosen } from "../state";
import { type Study, column, drawable, finite, leftOut, ranked, sampled, valued } from "../study";
import { type Chosen, type Colours, type Option, Chart, axis, describe, grid, hint, upright } from "./chart";
import { Choose } from "./choose";
import { BRUSH, selectable } from "./history";
import { ends } from "./ends";
import { mixed } from "./parallel";
import { numberIn } from "./points";
import { TRIALS, TRIANGLES, beyond, cutNote, edge, scaled, type Scale, useScale } from "./scale";

const MOST = 2500;

/** Places of the trials that are drawn of many. */
export const some = latest((shown: Study, chosen: Chosen): readonly number[] => {
  const places = sampled(valued(shown), MOST, chosen);
  const best = shown.best?.number;
  if (best !== undefined && !places.includes(best)) places.push(best);
  return places;
});

/** The words that say how many are drawn. */
export function ofMany(shown: Study): string {
  const all = valued(shown).length;
  return [
    all > MOST ? `${MOST} of ${all} trials are drawn, evenly, selected ones first.` : "",
    leftOut(shown.trials.length - all, "without a value"),
  ].filter(Boolean).join(" ");
}

/** A parameter of all trials, by their place; NaN where its axis has no place for it. */
export function along(shown: Study, i: number): Float64Array {
  return (places(shown)[i] ??= placed(shown, i));
}

const places = once((_: Study): Float64Array[] => []);

function placed(shown: Study, i: number): Float64Array {
  const all = column(shown, i);
  const declared = shown.parameters[i];
  if (!declared || all.every((value) => Number.isNaN(value) || drawable(value))) return all;
  const axis = ends(declared, valued(shown).map((place) => all[place] ?? NaN));
  return axis["type"] === "log" ? all : all.map((value) => (drawable(value) ? value : NaN));
}

/** The words that say how many trials with a value have no place on the axes of some parameters. */
export function placeless(shown: Study, ...axes: number[]): string {
  // A selection draws again, and changes nothing here.
  const known = said(shown);
  const key = axes.join();
  const text = known.get(key) ?? counted(shown, axes);
  known.set(key, text);
  return text;
}

const said = once((_: Study) => new Map<string, string>());

function counted(shown: Study, axes: readonly number[]): string {
  const columns = axes.map((i) => along(shown, i));
  const count = valued(shown).filter((place) => columns.some((values) => Number.isNaN(values[place]))).length;
  return leftOut(count, "a parameter is inactive, or beyond what an axis can show");
}

export function Slices({ shown }: { shown: Study }) {
  const { scale, buttons } = useScale(finite(shown));
  if (!valued(shown).length) return <p class="empty">No trial has a value yet.</p>;
  return (
    <>
      <div class="bar">{buttons}<span class="help">From blue, the first trials, to yellow, the last. {ofMany(shown)}</span></div>
      <div class="small">
        {shown.parameters.map((parameter, i) => (
          <Chart
            key={parameter.name}
            name={`slice-${parameter.name}`}
            label={`${shown.objective.metric} over ${parameter.name}`}
            height={230}
            of={[shown, scale.log, scale.bulk?.max]}
            chosen={chosen}
            events={(chart) => selectable(chart, `slice ${i}`)}
            draw={(colour, selection) => ({
              note: [cutNote(scale, finite(shown), TRIALS, TRIANGLES), placeless(shown, i)].filter(Boolean).join(" "),
              option: slice(shown, colour, i, scale, selection),
            })}
          />
        ))}
      </div>
    </>
  );
}

/** The axis of a parameter; without colours only where it ends. */
export function across(shown: Study, colour: Colours | null, i: number, values: number[], vertical = false): Option {
  const declared = shown.parameters[i];
  if (!declared) return {};
  const found = ends(declared, values);
  if (!colour) return found;
  const name = declared.name + (found["type"] === "log" ? " (log)" : "");
  return (vertical ? upright : axis)(colour, name, { ...found, scale: true });
}

function slice(shown: Study, colour: Colours, i: number, scale: Scale, chosen: Chosen): Option {
  const places = some(shown, chosen);
  const at = along(shown, i);
  const last = Math.max(shown.trials.length - 1, 1);
  const points = places.map((place) => {
    const loss = shown.losses[place] ?? NaN;
    const dim = chosen !== null && !chosen.has(place);
    const best = place === shown.best?.number;
    return {
      value: [at[place] ?? NaN, edge(scale, loss), place],
      symbol: beyond(scale, loss) ? "triangle" : "circle",
      symbolSize: best ? 11 : places.length > 2000 ? 4 : 6,
      itemStyle: {
        color: dim ? colour.bad : best ? colour.best : mixed(colour.order, place / last),
        opacity: dim ? 0.2 : best ? 1 : places.length > 1000 ? 0.5 : 0.85,
      },
    };
  });
  const values = points.map((point) => point.value[0] ?? NaN);
  return {
    ...BRUSH,
    toolbox: { show: false, feature: { dataZoom: {} } },
    grid: grid({ top: 30, bottom: 40 }),
    tooltip: hint(colour, (data) => describe(shown, shown.trials[numberIn(data) ?? -1])),
    xAxis: across(shown, colour, i, values),
    yAxis: scaled(colour, shown.objective.metric, scale),
    series: [{ type: "scatter", data: points.filter((point) => Number.isFinite(point.value[0])) }],
  };
}

export function Pairs({ shown }: { shown: Study }) {
  const [chosenX, setX] = useState(0);
  const [chosenY, setY] = useState(1);
  const names = shown.parameters.map(({ name }) => name);
  if (names.length < 2 || !valued(shown).length) return <p class="empty">Needs two parameters and a trial with a value.</p>;
  const x = Math.min(chosenX, names.length - 1);
  const y = Math.min(chosenY, names.length - 1);
  return (
    <Chart
      name="pair"
      label={`Trials by ${names[x]} and ${names[y]}, coloured by ${shown.objective.metric}`}
      height={360}
      of={[shown, x, y]}
      chosen={chosen}
      events={(chart) => selectable(chart, "pairs")}
      draw={(colour, selection) => ({
        note: `From blue, the worst ${shown.objective.metric}, to yellow, the best, by rank. ${ofMany(shown)} ${placeless(shown, x, y)}`.trim(),
        option: pair(shown, colour, x, y, selection),
      })}
    >
      <Choose label="across" names={names} value={x} set={setX} />
      <Choose label="up" names={names} value={y} set={setY} />
    </Chart>
  );
}

function pair(shown: Study, colour: Colours, x: number, y: number, chosen: Chosen): Option {
  const all = ranked(shown);
  const drawn = new Set(some(shown, chosen));
  const columns = [along(shown, x), along(shown, y)];
  const data = all.flatMap((place, rank) => {
    if (!drawn.has(place)) return [];
    const at = columns.map((values) => values[place] ?? NaN);
    if (!at.every(Number.isFinite)) return [];
    const dim = chosen !== null && !chosen.has(place);
    const best = place === shown.best?.number;
    return [{
      value: [...at, place],
      symbolSize: best ? 13 : 8,
      itemStyle: {
        color: dim ? colour.bad : best ? colour.best : mixed(colour.order, rank / Math.max(all.length - 1, 1)),
        opacity: dim ? 0.15 : 0.85,
      },
    }];
  });
  return {
    ...BRUSH,
    grid: grid({ top: 36, bottom: 44 }),
    tooltip: hint(colour, (of) => describe(shown, shown.trials[numberIn(of) ?? -1])),
    xAxis: across(shown, colour, x, data.map((point) => point.value[0] ?? NaN)),
    yAxis: across(shown, colour, y, data.map((point) => point.value[1] ?? NaN), true),
    series: [{ type: "scatter", data }],
  };
}
