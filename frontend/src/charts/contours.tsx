/** The objective over two parameters as a landscape, with the trials on it. */

import { useMemo, useState } from "preact/hooks";
import { brief } from "../numbers";
import { chosen } from "../state";
import { type Study, extent, robust, valued } from "../study";
import { CELLS, type Surface, surface } from "../surface";
import { type Chosen, type Colours, type Option, Chart, describe, grid, hint } from "./chart";
import { Choose } from "./choose";
import { BRUSH, selectable } from "./history";
import { numberIn } from "./points";
import { across, along, ofMany, placeless, some } from "./slices";

/** A parameter along an axis, with the ends that both its trials and the surface have. */
interface Side {
  /** Its place among the parameters. */
  i: number;
  log: boolean;
  min: number;
  max: number;
}

/** Values count as so far from 0 at most: means are made of sums. */
const SUMMABLE = 1e300;

interface Landscape {
  made: Surface | null;
  sides: [Side, Side];
  log: boolean;
  /** Trials whose values are far from all others, which count as the nearest of these. */
  far: number;
}

export function Contours({ shown }: { shown: Study }) {
  const [chosenX, setX] = useState(0);
  const [chosenY, setY] = useState(1);
  const numeric = shown.parameters.flatMap((declared, i) => (declared.type === "categorical" ? [] : [i]));
  const places = valued(shown);
  const x = numeric[Math.min(chosenX, numeric.length - 1)] ?? 0;
  const y = numeric[Math.min(chosenY, numeric.length - 1)] ?? 0;
  const found = useMemo(() => landscape(shown, places, x, y), [shown, x, y]);
  if (numeric.length < 2 || places.length < 3) return <p class="empty">Needs two numeric parameters and three trials with a value.</p>;
  const names = numeric.map((i) => shown.parameters[i]?.name ?? "");
  const { metric } = shown.objective;
  return (
    <Chart
      name="contours"
      label={`Contours of ${metric} over ${shown.parameters[x]?.name} and ${shown.parameters[y]?.name}${found.made ? `, from ${value(found, found.made.min)} to ${value(found, found.made.max)}` : ""}`}
      height={400}
      of={[found]}
      chosen={chosen}
      events={(chart) => selectable(chart, "contours")}
      draw={(colour, selection) => ({
        note: [
          `The mean ${metric} of the trials nearby, whatever their other parameters; blank where there are none.`,
          found.far ? `${found.far} far ${found.far === 1 ? "value counts" : "values count"} as the nearest of the others.` : "",
          ofMany(shown),
          placeless(shown, x, y),
        ].filter(Boolean).join(" "),
        option: option(shown, colour, found, selection),
      })}
    >
      <Choose label="across" names={names} value={numeric.indexOf(x)} set={setX} />
      <Choose label="up" names={names} value={numeric.indexOf(y)} set={setY} />
    </Chart>
  );
}

function side(shown: Study, places: readonly number[], i: number): Side {
  const axis = across(shown, null, i, places.map((place) => at(shown, place, i)));
  return { i, log: axis["type"] === "log", min: Number(axis["min"]), max: Number(axis["max"]) };
}

function at(shown: Study, place: number, i: number): number {
  return along(shown, i)[place] ?? NaN;
}

function landscape(shown: Study, places: readonly number[], x: number, y: number): Landscape {
  const sides: [Side, Side] = [side(shown, places, x), side(shown, places, y)];
  const losses = places.map((place) => shown.losses[place] ?? NaN);
  const { log } = extent(losses);
  const values = log ? losses.map(Math.log10) : losses;
  // One diverged trial would leave no level for all others.
  const ends = robust(values) ?? { min: -SUMMABLE, max: SUMMABLE };
  const points = places.flatMap((place, n) => {
    const [a, b] = sides.map((each) => part(each, at(shown, place, each.i)));
    const kept = Math.min(Math.max(values[n] ?? NaN, ends.min, -SUMMABLE), ends.max, SUMMABLE);
    return Number.isFinite(a) && Number.isFinite(b) ? [[a ?? 0, b ?? 0, kept] as const] : [];
  });
  return { made: surface(points), sides, log, far: values.filter((each) => each < ends.min || each > ends.max || Math.abs(each) > SUMMABLE).length };
}

/** Where a value lies between the ends of its axis, from 0 to 1. */
function part({ log, min, max }: Side, of: number): number {
  return log ? Math.log(of / min) / Math.log(max / min) : (of - min) / (max - min);
}

/** The value of an axis at a part of it. */
function whole({ log, min, max }: Side, of: number): number {
  return log ? min * (max / min) ** of : min + (max - min) * of;
}

/** A level of the surface as a text. */
function value(found: Landscape, level: number): string {
  return brief(found.log ? 10 ** level : level, 4);
}

function option(shown: Study, colour: Colours, found: Landscape, chosen: Chosen): Option {
  const places = some(shown, chosen);
  const [x, y] = found.sides;
  const levels = found.made?.levels ?? [];
  const [min, max] = [found.made?.min ?? 0, found.made?.max ?? 1];
  // As everywhere, yellow is the best.
  const order = shown.objective.maximize ? colour.order : colour.order.toReversed();
  return {
    ...BRUSH,
    grid: grid({ top: 36, bottom: 64 }),
    tooltip: hint(colour, (data) => describe(shown, shown.trials[numberIn(data) ?? -1])),
    visualMap: {
      type: "continuous", seriesIndex: 0, dimension: 2, min, max: max > min ? max : min + 1, orient: "horizontal", left: "center", bottom: 2,
      itemWidth: 12, itemHeight: 180, inRange: { color: order }, text: [value(found, max), value(found, min)], textStyle: { color: colour.ink }, hoverLink: false,
    },
    xAxis: across(shown, colour, x.i, places.map((place) => at(shown, place, x.i))),
    yAxis: across(shown, colour, y.i, places.map((place) => at(shown, place, y.i)), true),
    series: [
      {
        name: "surface", type: "custom", silent: true, z: 1, clip: true, data: levels.map(({ above }) => [x.min, y.min, above]),
        renderItem: ({ dataIndex }: { dataIndex: number }, api: Api) => ({
          type: "path",
          shape: {
            d: (levels[dataIndex]?.rings ?? []).map((ring) => `M${ring.map(([a, b]) =>
              api.coord([whole(x, a / CELLS), whole(y, b / CELLS)]).map((pixel) => pixel.toFixed(1)).join()).join("L")}Z`).join(""),
          },
          style: { fill: api.visual("color"), stroke: colour.card, lineWidth: 0.5 },
        }),
      },
      {
        name: "trials", type: "scatter", z: 3,
        data: places.flatMap((place) => {
          const best = place === shown.best?.number;
          const dim = chosen !== null && !chosen.has(place);
          const value = [at(shown, place, x.i), at(shown, place, y.i), place];
          return value.every(Number.isFinite) ? [{
            value, symbolSize: best ? 13 : places.length > 500 ? 3 : 6,
            itemStyle: { color: best ? colour.best : colour.ink, borderColor: colour.card, borderWidth: best ? 2 : 1, opacity: dim ? 0.12 : best ? 1 : 0.75 },
          }] : [];
        }),
      },
    ],
  };
}

interface Api {
  coord(at: number[]): number[];
  visual(kind: "color"): string;
}
