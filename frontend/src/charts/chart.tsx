/** A chart of ECharts in the page: drawn when it is seen, as large as its place, in its colours. */

import {
  BarChart,
  CustomChart,
  HeatmapChart,
  LineChart,
  ParallelChart,
  ScatterChart,
} from "echarts/charts";
import {
  BrushComponent,
  DataZoomComponent,
  GridComponent,
  LegendComponent,
  MarkLineComponent,
  ParallelComponent,
  ToolboxComponent,
  TooltipComponent,
  VisualMapComponent,
} from "echarts/components";
import * as echarts from "echarts/core";
import { CanvasRenderer, SVGRenderer } from "echarts/renderers";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { brief, clip } from "../numbers";
import { dark } from "../state";
import { forget, soon } from "../turns";
import type { Study } from "../study";
import type { Trial } from "../types";

echarts.use([
  BarChart,
  BrushComponent,
  CanvasRenderer,
  CustomChart,
  DataZoomComponent,
  GridComponent,
  HeatmapChart,
  LegendComponent,
  LineChart,
  MarkLineComponent,
  ParallelChart,
  ParallelComponent,
  SVGRenderer,
  ScatterChart,
  ToolboxComponent,
  TooltipComponent,
  VisualMapComponent,
]);

// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Option = Record<string, any>;
export type Instance = echarts.ECharts;

export interface Colours {
  ink: string;
  soft: string;
  line: string;
  card: string;
  point: string;
  best: string;
  bad: string;
  running: string;
  order: string[];
  groups: string[];
}

/** Okabe and Ito's colours, and a part of cividis, which all eyes can tell apart. */
export function colours(): Colours {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    ink: of("ink"),
    soft: of("soft"),
    line: of("line"),
    card: of("card"),
    point: of("point"),
    best: of("best"),
    bad: of("bad"),
    running: of("running"),
    order: dark.value
      ? ["#5b7fd0", "#7d8ea3", "#b3ab7d", "#ffe94e"]
      : ["#00306f", "#4d6a8a", "#8a8f6a", "#c9a800"],
    groups: dark.value
      ? ["#56b4e9", "#e69f00", "#3fd0a4", "#e79bc4", "#f0e442", "#ff8a50", "#b9c1cb"]
      : ["#0072b2", "#b87400", "#00785a", "#a83f78", "#6b6300", "#b84a00", "#3d454f"],
  };
}

/** Numbers of the selected trials; null: nothing is selected, so all count. */
export type Chosen = ReadonlySet<number> | null;

export interface Drawn {
  option: Option;
  /** What is not on the chart, or at its edge. */
  note?: string;
}

interface Props {
  /** For those who cannot see the chart. */
  label: string;
  name: string;
  /** `width` is that of the chart, in pixels. */
  draw: (colours: Colours, chosen: Chosen, width: number) => Drawn;
  /** Draw again when one of these has changed. */
  of: readonly unknown[];
  /** The selected trials, if the chart shows them. */
  chosen?: () => Chosen;
  height?: number;
  /** Of the data at a place of the chart; its trial is opened by a click. */
  events?: (chart: Instance) => void;
  children?: ComponentChildren;
}

export function Chart({ label, name, draw, of, chosen = NONE, height = 320, events, children }: Props) {
  // Read here, and not where the chart is declared: a selection would compute all views at each move.
  const selection = chosen();
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<Instance | null>(null);
  const drawnOf = useRef<readonly unknown[]>([]);
  const [seen, setSeen] = useState(false);
  const [note, setNote] = useState("");
  const said = clip(label, 600);

  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const eyes = new IntersectionObserver(
      (entries) => {
        const last = entries[entries.length - 1];
        if (last) setSeen(last.isIntersecting);
      },
      { rootMargin: "200px" },
    );
    eyes.observe(element);
    const sizes = new ResizeObserver(() => chart.current?.resize());
    sizes.observe(element);
    return () => {
      eyes.disconnect();
      sizes.disconnect();
      forget(place);
      chart.current?.dispose();
      chart.current = null;
    };
  }, []);

  useEffect(() => {
    // What is not seen is drawn once it is: a selection would redraw a dozen charts at each move.
    const now = [dark.value, selection, ...of];
    const same = now.length === drawnOf.current.length && now.every((value, i) => value === drawnOf.current[i]);
    if (!seen || !place.current || same) return;
    drawnOf.current = now;
    const first = !chart.current;
    const made = chart.current ??= echarts.init(place.current, null, { renderer: "canvas" });
    const show = () => {
      const drawn = draw(colours(), selection, made.getWidth());
      made.setOption({ ...BASE, ...drawn.option }, { replaceMerge: ["series", "xAxis", "yAxis"] });
      setNote(drawn.note ?? "");
      if (place.current) place.current.dataset["drawn"] = said;
    };
    if (first) {
      // Tests look here for what is drawn, and in `data-drawn` for the label that it was drawn with.
      (place.current as Drawing).chart = made;
      events?.(made);
      show();
    } else soon(place, show);
  }, [seen, dark.value, selection, ...of]);

  const picture = (kind: "svg" | "png", width: number, tall: number): string => {
    const made = echarts.init(document.createElement("div"), null, { renderer: kind === "svg" ? "svg" : "canvas", width, height: tall });
    made.setOption({ ...BASE, ...draw(colours(), selection, width).option, animation: false, toolbox: { show: false }, dataZoom: [] });
    const text = made.getDataURL({ type: kind, pixelRatio: 3, backgroundColor: colours().card });
    made.dispose();
    return text;
  };

  const save = (kind: "svg" | "png") => {
    const shown = place.current;
    if (!shown) return;
    const link = document.createElement("a");
    link.href = picture(kind, shown.clientWidth, shown.clientHeight);
    link.download = `${clip(name, 46)}.${kind}`;
    link.click();
  };

  useEffect(() => {
    // What `suggest plot --svg` asks for is left where it finds it (suggestion/views/picture.py).
    const [command, kind, wanted = ""] = location.hash.split("/");
    if (command !== "#picture" || decodeURIComponent(wanted) !== name || (kind !== "svg" && kind !== "png")) return;
    const [head = "", content = ""] = picture(kind, WIDE, Math.max(height, HIGH)).split(",");
    document.body.dataset["picture"] = head.endsWith(";base64") ? content : coded(decodeURIComponent(content));
  }, []);

  return (
    <figure class="chart">
      <div class="bar">
        {children}
        <span class="grow" />
        <button type="button" onClick={() => save("svg")} aria-label={`Save as SVG: ${clip(name, 46)}`}>
          SVG
        </button>
        <button type="button" onClick={() => save("png")} aria-label={`Save as PNG: ${clip(name, 46)}`}>
          PNG
        </button>
      </div>
      <div ref={place} class="canvas" role="img" aria-label={said} style={{ height: `${height}px` }} />
      {note && <figcaption>{note}</figcaption>}
    </figure>
  );
}

/** Of a picture for papers, in pixels; a PNG has three times as many. */
const WIDE = 900;
const HIGH = 480;

function coded(text: string): string {
  return btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));
}

interface Drawing extends HTMLDivElement {
  chart?: Instance;
}

const NONE = () => null;
const BASE: Option = { animation: false, aria: { enabled: false } };

export function grid(more: Option = {}): Option {
  return { left: 8, right: 16, top: 28, bottom: 28, outerBoundsMode: "same", outerBoundsContain: "axisLabel", ...more };
}

/** An axis of numbers, with short ticks. */
export function axis(colour: Colours, name: string, more: Option = {}): Option {
  return {
    name: clip(name, 30),
    nameLocation: "middle",
    nameGap: 26,
    scale: true,
    type: "value",
    nameTextStyle: { color: colour.soft },
    axisLabel: {
      color: colour.soft,
      hideOverlap: true,
      formatter: (value: number | string) =>
        typeof value === "number" ? brief(value, 4) : clip(value, 16),
    },
    axisLine: { show: true, lineStyle: { color: colour.line } },
    splitLine: { lineStyle: { color: colour.line, opacity: 0.6 } },
    ...more,
  };
}

/** The vertical axis of a metric: its name is above, where it has room. */
export function upright(colour: Colours, name: string, more: Option = {}): Option {
  return axis(colour, name, {
    nameLocation: "end",
    nameGap: 10,
    nameTextStyle: { color: colour.soft, align: "left", padding: [0, 0, 0, -16] },
    ...more,
  });
}

/** What is shown beside the pointer, as text whatever is in it. */
export function hint(colour: Colours, lines: (data: unknown) => string[]): Option {
  return {
    trigger: "item",
    confine: true,
    backgroundColor: colour.card,
    borderColor: colour.line,
    textStyle: { color: colour.ink, fontSize: 12 },
    // A long line would make a small page wider.
    extraCssText: "max-width: min(80vw, 34rem); white-space: normal; overflow-wrap: anywhere",
    formatter: (given: { data: unknown }) => {
      const box = document.createElement("div");
      for (const line of lines(given.data)) {
        const row = document.createElement("div");
        row.textContent = clip(line, 90);
        box.append(row);
      }
      return box;
    },
  };
}

export function describe(shown: Study, trial: Trial | undefined): string[] {
  if (!trial) return [];
  return [
    `#${trial.number} ${trial.name} · ${trial.condition}${trial.feasible === false ? " · infeasible" : ""}`,
    ...shown.objective.metrics.map((name, i) => `${name} ${trial.metrics[i] || "–"}`),
    ...shown.parameters.slice(0, 12).map((p, i) => `${clip(p.name)} = ${trial.values[i] ?? "–"}`),
  ];
}
